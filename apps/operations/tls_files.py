"""Files of the TLS listener: its key and certificate, a self-signed substitute, client authorities.

The substitute is shown only as long as ``server.pem`` is missing or cannot be used: a listener
without any certificate would take the API, the admin, CRLs and OCSP down with it.
"""

import ssl
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from django.conf import settings

from apps import clock, secret_files
from pki import build, bundles, keys, serials
from pki.algorithms import KeyAlgorithm, default_signature_algorithm
from pki.template import Leaf
from pki.validity import validity_window

_ALGORITHM = KeyAlgorithm.EC_P256
_SELF_SIGNED_LIFETIME = timedelta(days=90)
# Before the first block of a PEM file text may stand (RFC 7468 section 2). It tells our own file
# from one that somebody has put there, even where the database no longer knows the certificate.
_OURS = b"Issued and renewed by Sealwright. To use a certificate of your own, replace this file.\n"


def server_file() -> Path:
    """Return where private key, certificate and chain of the listener are (one PEM file)."""
    return _folder() / "server.pem"


def self_signed_file() -> Path:
    """Return where the substitute is, which exists only while it is needed."""
    return _folder() / "self-signed.pem"


def client_authorities_file() -> Path:
    """Return where the listener reads whose client certificates it accepts."""
    return _folder() / "client-authorities.pem"


def shown_file() -> Path:
    """Return the file that the listener is to show."""
    return self_signed_file() if fault() and self_signed_file().exists() else server_file()


def write_server_file(private_key_pem: bytes, certificates: Sequence[bytes]) -> None:
    """Write a certificate that was issued here.

    Args:
        private_key_pem: PKCS#8, PEM.
        certificates: DER, the server's first, without the root.
    """
    content = _OURS + private_key_pem + bundles.to_pem(list(certificates)).encode()
    secret_files.write(server_file(), content)


def is_ours() -> bool:
    """Tell whether ``server.pem`` is missing, empty, or one that ``write_server_file`` wrote."""
    try:
        content = server_file().read_bytes()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not content.strip() or content.startswith(_OURS)


def certificate_in(path: Path) -> x509.Certificate | None:
    """Return the first certificate of a PEM file, ``None`` if none can be read."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return None


def fault() -> str:
    """Return why ``server.pem`` cannot be shown; empty when it can, even if it has expired."""
    path = server_file()
    try:
        # It refuses what nginx would: a missing key, a wrong one, one under a password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=lambda: b"")
    except FileNotFoundError:
        return f"{path} is missing"
    except ssl.SSLError:
        return f"{path} holds no private key with a certificate that fits"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return ""


def provide(names: Sequence[tuple[str, str]]) -> str:
    """Make sure that the listener has something to show.

    Args:
        names: subject alternative names for a substitute.

    Returns:
        Why the substitute is shown; empty when ``server.pem`` is.
    """
    found = fault()
    if not found:
        self_signed_file().unlink(missing_ok=True)
    elif _self_signed_is_due():
        _write_self_signed(names)
    return found


def _self_signed_is_due() -> bool:
    shown = certificate_in(self_signed_file())
    return shown is None or shown.not_valid_after_utc - clock.now() < _SELF_SIGNED_LIFETIME / 3


def _write_self_signed(names: Sequence[tuple[str, str]]) -> None:
    key = keys.generate_private_key(_ALGORITHM)
    algorithm = default_signature_algorithm(_ALGORITHM)
    not_before, not_after = validity_window(
        clock.now_s(), _SELF_SIGNED_LIFETIME, issuer_not_after=None
    )
    leaf = Leaf(
        subject=(("common_name", "Sealwright, self-signed"),),
        subject_alt_names=tuple(names),
        public_key_der=keys.public_key_to_der(key.public_key()),
        key_algorithm=_ALGORITHM,
        signature_algorithm=algorithm,
        key_usage=frozenset({"digital_signature"}),
        extended_key_usage=("server_auth",),
        not_before=not_before,
        not_after=not_after,
    )
    tbs_der = build.self_signed_leaf_tbs(leaf, serial_number=serials.new_serial())
    der = build.assemble(tbs_der, algorithm, keys.sign(key, tbs_der, algorithm))
    content = keys.private_key_to_pem(key) + bundles.to_pem([der]).encode()
    secret_files.write(self_signed_file(), content)


def _folder() -> Path:
    return Path(settings.SEALWRIGHT["HOME"]) / "tls"
