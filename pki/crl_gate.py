"""Comparison of a new CRL with the published one before it takes its place (C-09)."""

from collections.abc import Callable, Iterator
from itertools import zip_longest

from pki.crl_reader import CrlReader
from pki.findings import Violation

# The gate refuses because of a fault; the first few serial numbers show where to look.
_LOST_SHOWN = 20


def publish_gate(
    previous: CrlReader | None,
    new: CrlReader,
    removable: Callable[[set[int]], set[int]],
) -> tuple[Violation, ...]:
    """Return every reason not to replace ``previous`` by ``new``.

    Both are read side by side. Memory grows with what differs, not with the entries: both come in
    the order of the ledger.

    Args:
        previous: the CRL published now, ``None`` before the first.
        new: the CRL just made, read back.
        removable: receives the serial numbers that ``new`` no longer lists and returns those
            that may go: expired for at least one regular CRL (C-07), or a released hold.

    Raises:
        UnusableCRL: one of them cannot be read.
    """
    missing = _missing(previous.serials() if previous is not None else iter(()), new.serials())
    after = new.summary()
    if previous is None:
        return ()
    before, found = previous.summary(), []
    if after.number <= before.number:
        reason = f"The CRL number does not rise: {before.number} is published."
        found.append(Violation("crl.number", "number", str(after.number), reason))
    if after.this_update < before.this_update:
        reason = f"The CRL is older than the published one of {before.this_update.isoformat()}."
        found.append(Violation("crl.this_update", "this_update", str(after.this_update), reason))
    if after.scope != before.scope:
        reason = "The CRL has another scope (issuingDistributionPoint) than the published one."
        found.append(Violation("crl.scope", "scope", after.scope.hex(), reason))
    removed = {int.from_bytes(serial, "big") for serial in missing}
    lost = removed - removable(set(removed)) if removed else set()
    found += [
        Violation(
            "crl.entry_lost",
            "entries",
            format(serial_number, "x"),
            "A revoked certificate would vanish from the CRL though it has not expired.",
        )
        for serial_number in sorted(lost)[:_LOST_SHOWN]
    ]
    return tuple(found)


def _missing(previous: Iterator[bytes], new: Iterator[bytes]) -> set[bytes]:
    """Return the serial numbers of ``previous`` that are not in ``new``, in whatever order."""
    missing: set[bytes] = set()
    early: set[bytes] = set()  # seen in the new one before their turn in the previous one
    for old, fresh in zip_longest(previous, new):
        if old == fresh:
            continue
        if old is not None:
            if old in early:
                early.remove(old)
            else:
                missing.add(old)
        if fresh in missing:
            missing.remove(fresh)
        elif fresh is not None and old is not None:
            # After the end of the previous one, nothing can be early any more.
            early.add(fresh)
    return missing
