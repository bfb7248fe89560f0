"""The section of admin pages that shows the notes of a certificate request."""

from apps.certificates.models import CertificateRequest, RequestState
from apps.site.pages import Section


def notes_section(request: CertificateRequest) -> Section:
    """Return what of a request was changed or left out on the way to its certificate."""
    taken = request.state != RequestState.REJECTED
    empty = "The request was taken as it came." if taken else "Nothing was changed or left out."
    context = {"notes": request.notes, "empty": empty}
    return Section("Notes", "admin/includes/notes.html", context)
