"""Authorities and profiles for interop tests: one chain per algorithm, on the demo application.

Run beside a server, in its environment: ``python -m tests.interop.world ALGORITHM ...``.
Goes through the services, as an administrator in the admin site would. Prints JSON:
``{"ec-p256": {"profile", "root", "issuing"}, ...}``; what exists already is left alone.
"""

import json
import os
import sys


def main(algorithms: list[str]) -> None:
    """Create root, issuing authority and profile for each algorithm."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    import django

    django.setup()

    from apps import principals
    from apps.applications import services as applications
    from apps.applications.models import Application
    from apps.authorities.models import Authority
    from apps.policies.models import Policy
    from pki.algorithms import KeyAlgorithm
    from tests.factories.authorities import make_issuing, make_root
    from tests.factories.profiles import make_policy, make_profile

    system = principals.system("tests")
    demo = Application.objects.get(name="demo")
    policy = Policy.objects.filter(name="any-key").first() or make_policy("any-key", ANY_KEY)
    found = {}
    for word in algorithms:
        algorithm = KeyAlgorithm(word)
        root_name, issuing_name, profile_name = f"{word}-root", f"{word}-issuing", f"tls-{word}"
        if not Authority.objects.filter(name=issuing_name).exists():
            root = make_root(root_name, algorithm=algorithm)
            issuing = make_issuing(issuing_name, parent=root, algorithm=algorithm)
            profile = make_profile(
                profile_name, authority=issuing, policy=policy, defaults=DEFAULTS
            )
            applications.attach_profile(system, demo, profile)
        found[word] = {"profile": profile_name, "root": root_name, "issuing": issuing_name}
    sys.stdout.write(json.dumps(found) + "\n")


ANY_KEY = {
    "subject": [{"type": "common_name", "allowed": ["example.test", "**.example.test"]}],
    "subject_alt_names": [{"type": "dns_name", "allowed": ["example.test", "**.example.test"]}],
    "extended_key_usages": {"allowed": ["server_auth", "client_auth"]},
    "validity": {"max": "90d"},
}
DEFAULTS = {
    "ttl": "30d",
    "key_usages": ["digital_signature"],
    "extended_key_usages": ["server_auth"],
}

if __name__ == "__main__":
    main(sys.argv[1:])
