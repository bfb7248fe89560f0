"""Command that makes a new installation usable: administrator, authorities, demo application, TLS certificate."""

import shlex
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from apps.enrollment.acme import snippets
from apps.operations import database, quickstart, start_checks, static_files

# One command line, ready for any POSIX shell: the key stays with whoever runs it. It begins
# with "curl" and is one logical line, so that scripts can pick it out of the output.
_FIRST_CERTIFICATE = r"""
curl -sS --cacert {ca_file} -H {authorization} -H "Content-Type: application/json" \
  {url}/api/v1/certificate-requests/ -d "{{\"application\":\"{application}\",\"profile\":\"tls-server\",\"csr\":\"$( \
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout demo.key \
  -subj /CN=demo.example.com -addext subjectAltName=DNS:demo.example.com 2>/dev/null | awk '{{printf "%s\\n",$0}}')\"}}"
"""


class Command(BaseCommand):
    """``manage.py quickstart``: safe to repeat; what exists is left alone."""

    help = "Set up a working installation (idempotent) and show how to get a first certificate."

    def handle(self, *args: Any, **options: Any) -> None:
        start_checks.refuse([*start_checks.folder_problems(), *database.problems()])
        start_checks.require_keyring()
        call_command("createcachetable", verbosity=0)  # does nothing where it exists
        done = ["static files"] if static_files.collect_if_stale() else []
        outcome = quickstart.run()
        done += outcome.done
        if done:
            self.stdout.write(f"Made: {', '.join(done)}.")
        for warning in outcome.warnings:
            self.stdout.write(f"Warning: {warning}")
        self.stdout.write(guide(outcome.facts))


def guide(facts: quickstart.Facts) -> str:
    """Return where things are, and the command that obtains a certificate.

    It shows the demo's token and EAB key (which are good for the demo only) but no password.
    """
    user = facts["admin"].get("username", quickstart.ADMINISTRATOR)
    lines = [
        f"Admin pages      {facts['https_url']}/admin/ ({user}; password in {quickstart.facts_file()})",
        f"API              {facts['https_url']}/api/v1/ (schema at {facts['https_url']}/api/schema/)",
        f"CRLs, CA files   {facts['http_url']}/pki/",
        f"Trust this root  {facts['ca_file']}",
    ]
    if facts.get("token"):
        lines += [
            "",
            "A first certificate (writes its key to demo.key):",
            _first_certificate(facts),
        ]
    acme = facts.get("acme") or {}
    if acme.get("eab"):
        lines += [
            "",
            "By ACME (more clients in docs/acme.md). As root, because certbot answers on port 80 and",
            "keeps its files in /etc; the name has to lead to this machine, for a trial by:",
            "echo 127.0.0.1 www.example.com >> /etc/hosts",
            "",
            _first_by_acme(facts),
        ]
    return "\n".join(lines) + "\n"


def _first_by_acme(facts: quickstart.Facts) -> str:
    return snippets.certbot(
        snippets.Setting(
            directory_url=facts["acme"]["directory_url"],
            ca_file=facts["ca_file"],
            **facts["acme"]["eab"],
        )
    )


def _first_certificate(facts: quickstart.Facts) -> str:
    return _FIRST_CERTIFICATE.format(
        ca_file=shlex.quote(facts["ca_file"]),
        authorization=shlex.quote(f"Authorization: Bearer {facts['token']}"),
        url=facts["https_url"],
        application=facts["application"],
    )
