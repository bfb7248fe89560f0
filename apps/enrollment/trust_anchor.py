"""The file with the root certificate of the first installation, which clients are told to trust."""

from pathlib import Path

from django.conf import settings


def root_file() -> Path:
    """Return where the root certificate is written."""
    return Path(settings.SEALWRIGHT["HOME"]) / "tls" / "root.pem"


def root_pem() -> str:
    """Return that certificate, PEM; empty where it was never written."""
    path = root_file()
    return path.read_text() if path.exists() else ""
