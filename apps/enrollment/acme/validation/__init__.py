"""Validation of ACME challenges (RFC 8555 section 8)."""
