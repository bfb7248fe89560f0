"""What is wrong with the web server's certificate, for the start, ``/readyz`` and the admin."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest

from apps import clock
from apps.applications.models import Pairing
from apps.authorities.models import Authority, AuthorityState
from apps.jobs.models import Job, JobState
from apps.operations import tls_files, web_certificate
from apps.registry import DashboardPanel

RENEW_JOB = "web.renew_certificate"
# Of a certificate that somebody else issues and renews.
_WARN_BEFORE = timedelta(days=7)


def problems() -> list[str]:
    """Return what is wrong, or will be at the next renewal; empty when all is well."""
    fault = tls_files.fault()
    if fault:
        found = [f"The TLS listener shows a self-signed certificate: {fault}."]
        return [*found, _cannot_renew()] if tls_files.is_ours() and _cannot_renew() else found
    shown = tls_files.certificate_in(tls_files.server_file())
    if shown is None:
        return []
    ends, ours = shown.not_valid_after_utc, web_certificate.is_renewed_here()
    found = []
    if ends <= clock.now():
        found.append(f"The TLS listener's certificate expired on {ends:%Y-%m-%d %H:%M} UTC.")
    elif not ours and ends - clock.now() < _WARN_BEFORE:
        found.append(
            f"The TLS listener's certificate expires on {ends:%Y-%m-%d %H:%M} UTC; it was put "
            "there by hand and is not renewed here."
        )
    reason = _cannot_renew() if ours else ""
    return [*found, reason] if reason else found


def remedy() -> str:
    """Return what helps, for administrators."""
    return (
        f"Choose an authority that is in use in the profile {web_certificate.PROFILE}, or enable "
        "its own again; then run `manage.py quickstart`, or wait for the hourly job "
        f"{RENEW_JOB}. Or put private key, certificate and chain as one PEM file at "
        f"{tls_files.server_file()}. Clients are served meanwhile, but those that verify will "
        "refuse a certificate that is self-signed or expired."
    )


def readiness() -> str:
    """Return one line for ``/readyz``."""
    return " ".join(problems())


def _cannot_renew() -> str:
    hindrance = _hindrance()
    return f"The web server's certificate cannot be renewed: {hindrance}." if hindrance else ""


def _hindrance() -> str:
    """Return what keeps the next certificate from being issued; empty when nothing is known."""
    pairing = (
        Pairing.objects.select_related("profile__authority")
        .filter(
            application__name=web_certificate.APPLICATION, profile__name=web_certificate.PROFILE
        )
        .first()
    )
    if pairing is None:
        return (
            f"the profile {web_certificate.PROFILE} is not attached to the application "
            f"{web_certificate.APPLICATION}"
        )
    if pairing.profile.authority is not None:
        reason = _authority_hindrance(pairing.profile.authority)
        if reason:
            return reason
    if pairing.requires_approval:
        return f"{pairing} asks for approval"
    last = Job.objects.filter(kind=RENEW_JOB).order_by("-id").first()
    if last is not None and last.state != JobState.SUCCEEDED:
        return last.last_error.strip().rstrip(".")
    return ""


def _authority_hindrance(authority: Authority) -> str:
    if authority.state != AuthorityState.ACTIVE:
        return f"the authority {authority} is {authority.get_state_display().lower()}"
    current = authority.certificates.filter(is_current=True).first()
    if current is None:
        return f"the authority {authority} has no certificate"
    if current.not_after <= clock.now():
        return f"the certificate of the authority {authority} has expired"
    return ""


def _panel(_: HttpRequest) -> dict[str, Any]:
    found = problems()
    return {"problems": found, "remedy": remedy() if found else ""}


PANEL = DashboardPanel("operations/web_certificate_panel.html", _panel, order=5)
