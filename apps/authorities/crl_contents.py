"""Contents of CRLs: DER in parts, written before a CRL is published and read one part at a time."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from apps import clock
from apps.authorities.models import CRL, CRLPart
from apps.errors import NotFound
from apps.statements import writes

# The published one, and those that a slow client or a second publisher may still be reading.
KEPT_OF_EACH_AUTHORITY = 3
_ORPHANED_AFTER = timedelta(hours=1)


def store(sha256: str, chunks: Iterable[bytes]) -> None:
    """Write the parts of a CRL; each is a transaction of its own, so that no lock is held for long.

    If one cannot be written, those before it are removed: a disk that is full must not be filled
    further by each attempt.
    """
    written = 0
    try:
        for position, data in enumerate(chunks):
            # As a parameter in binary form: Django's own INSERT holds a part as text, three times.
            writes.insert(CRLPart(sha256=sha256, position=position, data=data))
            written += 1
    except Exception:
        # No others: a publisher that has signed the same octets at the same time wrote those.
        CRLPart.objects.filter(sha256=sha256, position__lt=written).delete()
        raise


def discard(sha256: str) -> None:
    """Remove the parts of a CRL that is not published after all."""
    CRLPart.objects.filter(sha256=sha256).delete()


def chunks_of(crl: CRL) -> Iterator[bytes]:
    """Yield the DER of a CRL, one query and half a megabyte at a time.

    Raises:
        NotFound: the content of this CRL is not kept any more.
    """
    position, left = 0, crl.size
    while left > 0:
        part = CRLPart.objects.filter(sha256=crl.sha256, position=position)
        data = part.values_list("data", flat=True).first()
        if data is None:
            raise NotFound(f"The content of CRL {crl.number} is not kept.")
        yield bytes(data)
        position, left = position + 1, left - len(data)


def der_of(crl: CRL) -> bytes:
    """Return the whole DER of a CRL, for those who know that it is small.

    Raises:
        NotFound: the content of this CRL is not kept any more.
    """
    return b"".join(chunks_of(crl))


def prune(authority_id: UUID) -> int:
    """Remove the contents of all but the newest CRLs of an authority, and what no CRL names.

    The rows stay: number, times, digest and number of entries of every CRL ever published.
    """
    rows = CRL.objects.filter(authority_id=authority_id)
    numbers = rows.order_by("-number").values_list("number", flat=True)
    removed = 0
    for oldest_kept in numbers[KEPT_OF_EACH_AUTHORITY - 1 : KEPT_OF_EACH_AUTHORITY]:
        superseded = rows.filter(number__lt=oldest_kept).values("sha256")
        removed += CRLPart.objects.filter(sha256__in=superseded).delete()[0]
    orphaned = CRLPart.objects.filter(created_at__lt=clock.now() - _ORPHANED_AFTER).exclude(
        sha256__in=CRL.objects.values("sha256")
    )
    return int(removed + orphaned.delete()[0])
