"""Script that fills the ledger of the demo's issuing authority and prints what clients ask about.

``python -m bench.stubs.status_ledger COUNT`` in the server's environment: nine of ten serial numbers
are issued and good, nine of a hundred revoked, one of a hundred unknown. Prints one line of JSON:
``{"issuer": DER in hexadecimal, "serials": [[serial number in hexadecimal, status], ...]}``.
"""

import json
import os
import sys
from datetime import timedelta

_ISSUING = "quickstart-issuing"


def main() -> None:
    """Write rows as issuance and revocation would."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    import django

    django.setup()

    from apps import clock
    from apps.authorities import selectors
    from apps.authorities.models import IssuedSerial, RevokedSerial
    from pki import serials

    count = int(sys.argv[1])
    authority = selectors.authority_named(_ISSUING)
    current = selectors.current_certificate(authority.pk)
    assert current is not None
    made = [serials.serial_hex(serials.new_serial()) for _ in range(count)]
    statuses = ["unknown" if n % 100 == 99 else "revoked" if n % 100 >= 90 else "good"
                for n in range(count)]  # fmt: skip
    now, end = clock.now_s(), clock.now_s() + timedelta(days=30)
    IssuedSerial.objects.bulk_create(
        IssuedSerial(authority=authority, serial_number=one, tbs_sha256="0" * 64, not_after=end)
        for one, status in zip(made, statuses, strict=True)
        if status != "unknown"
    )
    RevokedSerial.objects.bulk_create(
        RevokedSerial(
            authority=authority,
            serial_number=one,
            reason="keyCompromise",
            revoked_at=now,
            not_after=end,
        )
        for one, status in zip(made, statuses, strict=True)
        if status == "revoked"
    )
    told = {
        "issuer": bytes(current.der).hex(),
        "serials": [list(pair) for pair in zip(made, statuses, strict=True)],
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
