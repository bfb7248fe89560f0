"""The web server's own TLS certificate, issued and renewed by its own authority.

It goes through the one issuance pipeline under an application ``sealwright``, so it stands in the
inventory, its intent is on record before it is signed, and its serial number can be revoked.
The private key is made here and never reaches the database.
"""

import ipaddress
import logging
from datetime import timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings

from apps import clock, principals, secret_files
from apps.applications import pairings
from apps.applications import services as application_services
from apps.applications.models import Application, Pairing
from apps.authorities.models import Authority, AuthorityCertificate
from apps.certificates import issuance
from apps.certificates.enrollment import Enrollment
from apps.certificates.export import chain_ders
from apps.certificates.models import Certificate, CertificateState, EnrollmentMethod
from apps.certificates.outcomes import Issued
from apps.errors import InvalidTransition
from apps.operations import tls_files
from apps.policies import services as policy_services
from apps.policies.models import Policy
from apps.principals import Principal
from apps.profiles import services as profile_services
from apps.profiles.models import IssuerType, Profile
from pki import bundles, csr, keys
from pki.algorithms import KeyAlgorithm, default_signature_algorithm

logger = logging.getLogger(__name__)
APPLICATION = "sealwright"
PROFILE = "sealwright-web"
LIFETIME = timedelta(days=90)
RENEW_BEFORE = LIFETIME / 3
_ALGORITHM = KeyAlgorithm.EC_P256
# Apart from the policies that teams edit: narrowing those must not stop our own renewal.
_RULES = {
    "subject": [{"type": "common_name", "allowed": ["*"]}],
    "subject_alt_names": [
        {"type": "dns_name", "allowed": ["**"]},
        {"type": "ip_address", "allowed": ["*"]},
    ],
    "key_usages": {"allowed": ["digital_signature"]},
    "extended_key_usages": {"required": ["server_auth"]},
    "validity": {"max": f"{LIFETIME.days}d"},
}
_DEFAULTS = {
    "ttl": f"{LIFETIME.days}d",
    "key_usages": ["digital_signature"],
    "extended_key_usages": ["server_auth"],
}


def prepare(principal: Principal, authority: Authority) -> None:
    """Make sure that application, policy and profile of the web server exist."""
    application = Application.objects.filter(name=APPLICATION).first()
    if application is None:
        application = application_services.create_application(
            principal, name=APPLICATION, description="Sealwright's own servers"
        )
    policy = Policy.objects.filter(name=PROFILE).first()
    if policy is None:
        policy = policy_services.create_policy(
            principal,
            name=PROFILE,
            description="Sealwright's own web server",
            rules=_RULES,
        )
    profile = Profile.objects.filter(name=PROFILE).first()
    if profile is None:
        profile = profile_services.create_profile(
            principal,
            name=PROFILE,
            description="Sealwright's own web server",
            issuer_type=IssuerType.AUTHORITY,
            authority=authority,
            policy=policy,
            defaults=_DEFAULTS,
        )
    if not Pairing.objects.filter(application=application, profile=profile).exists():
        application_services.attach_profile(principal, application, profile, api_enabled=False)


def ensure(principal: Principal) -> str:
    """Issue the server's certificate unless a good one is there.

    A file that somebody has put there is never replaced, whatever is in it.

    Returns:
        What was done, for the log; empty when nothing was to do.
    """
    shown = tls_files.certificate_in(tls_files.server_file())
    known = _in_inventory(shown) if shown is not None else None
    if known is None and not tls_files.is_ours():
        return ""
    if shown is not None and known is not None and not _due(shown, known):
        return ""
    certificate = _issue(principal, replaces=known)
    return f"certificate {certificate.serial_number} until {certificate.not_after:%Y-%m-%d}"


def is_renewed_here() -> bool:
    """Tell whether the certificate of the listener was issued here, and so is renewed here."""
    shown = tls_files.certificate_in(tls_files.server_file())
    return tls_files.is_ours() or (shown is not None and _in_inventory(shown) is not None)


def renew() -> str:
    """Renew the certificate of this host's web server when it is due (a recurring job).

    Hosts that run no web server have no file, and nothing happens there.
    """
    write_client_authorities()
    if not (tls_files.server_file().exists() or tls_files.self_signed_file().exists()):
        return "no web server on this host"
    return ensure(principals.system("web")) or "not due"


def write_client_authorities() -> None:
    """Write the bundle of our authorities; the listener notices when it changes."""
    rows = AuthorityCertificate.objects.filter(is_current=True).order_by("id")
    content = bundles.to_pem([bytes(row.der) for row in rows]).encode()
    secret_files.write_if_changed(
        tls_files.client_authorities_file(), content, mode=secret_files.PUBLIC
    )


def names() -> list[tuple[str, str]]:
    """Return the subject alternative names: this machine by name and address, and public hosts.

    Former ones too: clients reach the ACME directory by them until they are set up anew.
    """
    found = [("dns_name", "localhost"), ("ip_address", "127.0.0.1"), ("ip_address", "::1")]
    urls = (settings.SEALWRIGHT["PUBLIC_URL"], *settings.SEALWRIGHT["FORMER_PUBLIC_URLS"])
    return list(dict.fromkeys([*found, *(_name(_host_of(url)) for url in urls)]))


def _name(host: str) -> tuple[str, str]:
    try:
        return "ip_address", str(ipaddress.ip_address(host))
    except ValueError:
        return "dns_name", host


def _host() -> str:
    return _host_of(settings.SEALWRIGHT["PUBLIC_URL"])


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or "localhost"


def _issue(principal: Principal, *, replaces: Certificate | None) -> Certificate:
    """Make a key, take a CSR through the pipeline, put both into place."""
    pairing = pairings.pairing_for(APPLICATION, PROFILE)
    key = keys.generate_private_key(_ALGORITHM)
    wanted = names()
    outcome = issuance.submit(
        Enrollment(
            principal=principal,
            pairing=pairing,
            method=EnrollmentMethod.RENEWAL,
            csr=csr.build_csr(
                subject=(("common_name", _host()),),
                subject_alt_names=tuple(wanted),
                private_key=key,
                algorithm=default_signature_algorithm(_ALGORITHM),
            ),
            replaces=replaces if _can_be_replaced(replaces) else None,
        )
    )
    if not isinstance(outcome, Issued):
        raise InvalidTransition(
            f"The profile {PROFILE} asks for approval; the web server's certificate waits for it."
        )
    certificate = outcome.certificate
    # The root stays out: clients either have it or must not take it from us (RFC 8446 4.4.2).
    chain = [der for der in chain_ders(certificate) if not _self_issued(der)]
    tls_files.write_server_file(keys.private_key_to_pem(key), [bytes(certificate.der), *chain])
    logger.info("web server certificate %s written", certificate.serial_number)
    return certificate


def _due(shown: x509.Certificate, known: Certificate) -> bool:
    """Tell whether it ends soon, is revoked, or has other names or another issuer than it should."""
    if tls_files.fault():
        return True
    if shown.not_valid_after_utc - clock.now() < RENEW_BEFORE:
        return True
    if known.state != CertificateState.ACTIVE:
        return True
    wanted = Profile.objects.filter(name=PROFILE).values_list("authority_id", flat=True).first()
    if wanted is not None and known.authority_id != wanted:
        return True
    return {tuple(pair) for pair in known.subject_alt_names} != set(names())


def _can_be_replaced(certificate: Certificate | None) -> bool:
    return (
        certificate is not None
        and certificate.state == CertificateState.ACTIVE
        and not Certificate.objects.filter(replaces=certificate).exists()
    )


def _in_inventory(certificate: x509.Certificate) -> Certificate | None:
    fingerprint = certificate.fingerprint(SHA256()).hex()
    return Certificate.objects.filter(fingerprint_sha256=fingerprint).first()


def _self_issued(der: bytes) -> bool:
    certificate = x509.load_der_x509_certificate(der)
    return certificate.issuer == certificate.subject
