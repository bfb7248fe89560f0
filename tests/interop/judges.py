"""Calls of independent programs that check results: OpenSSL, curl, keytool, pkilint."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name, ocsp
from pkilint.validation import ValidationFindingSeverity

from tests.programs import require_program

_TIMEOUT_S = 60


def run(*argv: object, check: bool = True, **options: Any) -> str:
    """Run a program and return what it wrote, both streams together; a failure shows it all."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words,
        check=False,
        timeout=_TIMEOUT_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(words)}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class OpenSSL:
    """One OpenSSL program; 3.0 is Debian 12's, 3.5 also knows ML-DSA."""

    program: str = "openssl"

    def __call__(self, *argv: object, **options: Any) -> str:
        """Run a sub-command."""
        return run(self.program, *argv, **options)

    def make_key(self, path: Path, algorithm: str) -> Path:
        """Write a new private key, e.g. ``rsa:2048``, ``ec:P-256``, ``ed25519``, ``ml-dsa-65``."""
        family, _, size = algorithm.partition(":")
        match family:
            case "rsa":
                words = ["RSA", "-pkeyopt", f"rsa_keygen_bits:{size}"]
            case "ec":
                words = ["EC", "-pkeyopt", f"ec_paramgen_curve:{size}"]
            case _:
                words = [family.upper()]
        self("genpkey", "-algorithm", *words, "-out", path)
        return path

    def make_csr(self, folder: Path, algorithm: str, *names: str) -> Path:
        """Write ``key.pem`` and ``request.pem`` for these DNS names; return the latter."""
        folder.mkdir(parents=True, exist_ok=True)
        key = self.make_key(folder / "key.pem", algorithm)
        request = folder / "request.pem"
        listed = ",".join(f"DNS:{name}" for name in names)
        config = folder / "req.cnf"
        config.write_text("[req]\ndistinguished_name=dn\n[dn]\n")
        # A digest is named only where the algorithm does not bring its own.
        digest = [] if algorithm.startswith(("ed", "ml-")) else ["-sha256"]
        self(
            "req", "-new", "-config", config, "-key", key, *digest, "-subj", f"/CN={names[0]}",
            "-addext", f"subjectAltName={listed}", "-out", request,
        )  # fmt: skip
        return request

    def verify(
        self, leaf: Path, *, root: Path, chain: Path, crls: Sequence[Path], every: bool = False
    ) -> str:
        """Verify a leaf with revocation checks on the leaf (``every``: on the whole path)."""
        listed = [word for crl_file in crls for word in ("-CRLfile", crl_file)]
        return self(
            "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-untrusted", chain,
            "-crl_check_all" if every else "-crl_check", *listed, leaf,
        )  # fmt: skip

    def ocsp_status(self, leaf: Path, *, issuer: Path, root: Path, url: str, **options: Any) -> str:
        """Ask a responder by POST; return everything OpenSSL says about the checked answer."""
        return self(
            "ocsp", "-issuer", issuer, "-cert", leaf, "-url", url, "-CAfile", root,
            "-verify_other", issuer, **options,
        )  # fmt: skip


@lru_cache(maxsize=1)
def openssl_35() -> OpenSSL:
    """Return the OpenSSL that verifies ML-DSA; skip the test where there is none."""
    return OpenSSL(require_program("openssl 3.5"))


def lint_certificate(der: bytes) -> list[str]:
    """Return pkilint's findings of weight on a certificate (RFC 5280)."""
    decoders = certificate.create_decoding_validators(
        name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
    )
    validators = [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ]
    return _findings(
        certificate.create_pkix_certificate_validator_container(decoders, validators),
        loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate"),
    )


def lint_crl(der: bytes) -> list[str]:
    """Return pkilint's findings of weight on a CRL (RFC 5280 section 5)."""
    validators = [
        crl.create_issuer_validator_container([]),
        crl.create_validity_validator_container([]),
        crl.create_extensions_validator_container([]),
    ]
    return _findings(
        crl.create_pkix_crl_validator_container(_decoders(), validators),
        loader.RFC5280CertificateListDocumentLoader().load_der_document(der, "crl"),
    )


def lint_ocsp_response(der: bytes) -> list[str]:
    """Return pkilint's findings of weight on an OCSP response (RFC 6960)."""
    decoders = [ocsp.create_response_decoder(), *_decoders()]
    return _findings(
        ocsp.create_pkix_ocsp_response_validator_container(decoders, []),
        loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der, "ocsp"),
    )


def _decoders() -> list[Any]:
    return [
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
    ]


def _findings(validator: Any, document: Any) -> list[str]:
    """Return errors and fatals as text; notices and warnings are opinions."""
    return [
        f"{found.finding.severity.name} {found.finding.code} {result.node.path} {found.message or ''}"
        for result in validator.validate(document.root)
        for found in result.finding_descriptions
        if found.finding.severity <= ValidationFindingSeverity.ERROR
    ]
