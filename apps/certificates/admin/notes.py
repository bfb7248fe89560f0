"""The section of admin pages that shows the notes of a certificate request."""

from apps.certificates.models import CertificateRequest
from apps.site.pages import Section


def notes_section(request: CertificateRequest) -> Section:
    """Return what of a request was changed or left out on the way to its certificate."""
    return Section("Notes", "admin/includes/notes.html", {"notes": request.notes})
