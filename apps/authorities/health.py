"""Is an authority's newest CRL still good for relying parties?"""

from apps import clock
from apps.authorities.models import CRL
from apps.site.display import badge, tone_of


def health_of(crl: CRL) -> str:
    """Return ``fresh``, ``due`` in the last fifth of its life, or ``overdue``."""
    now = clock.now()
    if crl.next_update <= now:
        return "overdue"
    life = crl.next_update - crl.this_update
    return "due" if crl.next_update - now < life / 5 else "fresh"


def crl_badge(crl: CRL | None) -> str:
    """Return the health of an authority's newest CRL, coloured."""
    if crl is None:
        return badge("none", "wait")
    word = health_of(crl)
    return badge(word, tone_of(word))
