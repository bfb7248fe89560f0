"""Script that lets the demo's ACME endpoint accept clients without EAB and prints its URL.

``python -m bench.stubs.acme_endpoint`` in the server's environment. The limit of accounts by
address is lifted, because all clients come from one; the others stay.
"""

import os
import sys


def main() -> None:
    """Change the endpoint that quickstart made, through the services."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    import django

    django.setup()

    from apps import principals
    from apps.enrollment.acme import selectors
    from apps.enrollment.acme.models import AcmeEndpoint
    from apps.enrollment.acme.services import endpoints as acme

    endpoint = AcmeEndpoint.objects.select_related("pairing__application", "pairing__profile").get()
    acme.update_acme(
        principals.system("bench"),
        endpoint,
        require_eab=False,
        limits={"accounts_per_address": 0},
    )
    sys.stdout.write(selectors.directory_url(endpoint) + "\n")


if __name__ == "__main__":
    main()
