"""Endpoints and EAB keys for the interop tests of ACME.

Run beside a server, in its environment: ``python -m tests.interop.acme.world JSON`` with
``{"resolver", "http_port", "tls_port", "keys": [label, ...]}``. Goes through the services, as
an administrator would, and prints
``{"directory", "open_directory", "approved_directory", "keys": {label: {"kid", "hmac_key"}}}``.
"""

import json
import os
import sys
from typing import Any

OPEN, BOUND, APPROVED = "acme-open", "acme-bound", "acme-approved"
_RULES = {
    "subject": [{"type": "common_name", "allowed": ["*"]}],
    "subject_alt_names": [
        {"type": "dns_name", "allowed": ["**"], "wildcards": "allowed"},
        {"type": "ip_address", "allowed": ["127.0.0.0/8"]},
    ],
    "extended_key_usages": {"required": ["server_auth"]},
    "validity": {"max": "90d"},
}


def main(wanted: dict[str, Any]) -> None:
    """Enable the endpoints and make a single-use key for each label."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    import django

    django.setup()

    from django.conf import settings

    from apps import principals
    from apps.applications import services as applications
    from apps.applications.models import Application
    from apps.authorities.models import Authority
    from apps.enrollment.acme.services import eab_keys
    from apps.enrollment.acme.services import endpoints as acme
    from tests.factories.profiles import make_policy, make_profile

    system = principals.system("tests")
    demo = Application.objects.get(name="demo")
    issuing = Authority.objects.get(name="quickstart-issuing")
    terms = {
        "resolvers": [wanted["resolver"]],
        "allowed_networks": ["127.0.0.0/8"],
        "http_port": wanted["http_port"],
        "tls_port": wanted["tls_port"],
        "check_caa": True,
        "caa_identities": ["ca.example.test"],
    }
    base = f"{settings.SEALWRIGHT['PUBLIC_URL']}/acme/{demo.name}"
    endpoints = {}
    policy = make_policy("acme", _RULES)
    without_eab = {"require_eab": False}
    for name, changes in ((BOUND, {}), (OPEN, without_eab), (APPROVED, without_eab)):
        profile = make_profile(name, authority=issuing, policy=policy)
        pairing = applications.attach_profile(
            system, demo, profile, requires_approval=name == APPROVED
        )
        endpoints[name] = acme.enable_acme(system, pairing, **terms, **changes)
    keys = {}
    for label in wanted["keys"]:
        key = eab_keys.create_eab_key(system, endpoints[BOUND], name=label)
        keys[label] = {"kid": key.kid, "hmac_key": eab_keys.reveal_eab_key(system, key)}
    found = {
        "directory": f"{base}/{BOUND}/directory",
        "open_directory": f"{base}/{OPEN}/directory",
        "approved_directory": f"{base}/{APPROVED}/directory",
        "keys": keys,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
