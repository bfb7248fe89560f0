"""Script that makes an authority with revoked serial numbers, written by the database itself.

``python -m bench.stubs.revocations COUNT`` in the server's environment. Serial numbers have 20 octets,
dates are spread over a year, one reason for all. Prints the authority's name and writes its
certificate to ``$SEALWRIGHT_HOME/ca.pem``.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

_NAME = "bench"
_PG = """
INSERT INTO authorities_revokedserial (authority_id, serial_number, reason, revoked_at, not_after)
SELECT %s, '5' || substr(md5(n::text) || md5((-n)::text), 1, 39), 'keyCompromise',
       %s::timestamptz - n %% 31536000 * interval '1 second', %s::timestamptz
FROM generate_series(1, %s) AS n"""
_SQLITE = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
INSERT INTO authorities_revokedserial (authority_id, serial_number, reason, revoked_at, not_after)
SELECT %s, '5' || substr(lower(hex(randomblob(20))), 1, 39), 'keyCompromise',
       strftime('%%Y-%%m-%%d %%H:%%M:%%S', %s, '-' || (n %% 31536000) || ' seconds'), %s
FROM numbers"""


def main() -> None:
    """Make the authority and its revocations."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    import django

    django.setup()

    from django.conf import settings
    from django.db import connection

    from apps import clock, keyring, principals
    from apps.authorities import selectors, services
    from apps.authorities.authority_spec import AuthoritySpec
    from pki.algorithms import KeyAlgorithm
    from pki.bundles import to_pem

    keyring.ensure_keyring()
    authority = services.create_authority(
        principals.system("bench"),
        AuthoritySpec(
            name=_NAME,
            kind="root",
            subject=(("common_name", "Bench CA"),),
            key_algorithm=KeyAlgorithm.EC_P256,
        ),
    )
    current = selectors.current_certificate(authority.pk)
    assert current is not None
    Path(settings.SEALWRIGHT["HOME"], "ca.pem").write_text(to_pem([bytes(current.der)]))
    count, now = int(sys.argv[1]), clock.now_s()
    end = now + timedelta(days=90)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_PG, [authority.pk, now, end, count])
            cursor.execute("ANALYZE authorities_revokedserial")
        else:
            texts = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (now, end)]
            cursor.execute(_SQLITE, [count, authority.pk.hex, *texts])
    sys.stdout.write(f"{_NAME}\n")


if __name__ == "__main__":
    main()
