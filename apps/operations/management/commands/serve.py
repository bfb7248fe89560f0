"""Runs the TLS listener, the plain-HTTP listener and the job workers in the foreground."""

import http.client
import os
import shlex
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from apps.operations.start_checks import require_keyring
from apps.operations.supervisor import Program, Supervisor

_PROBE_S = 0.5


class Command(BaseCommand):
    """``manage.py serve``: one machine's Sealwright, until Ctrl-C."""

    help = "Run web server, public PKI listener and job workers until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stop-within",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long running requests and jobs may take to finish (default: 30)",
        )
        parser.add_argument(
            "--print", action="store_true", help="print the command lines of the parts and exit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["print"]:
            for program in programs():
                self.stdout.write(f"{program.name}: {shlex.join(program.command)}")
            return
        began = time.monotonic()
        require_keyring()
        _require_certificate()
        for port in ("HTTPS_PORT", "HTTP_PORT"):
            _require_free(port)

        def announce() -> None:
            sealwright = settings.SEALWRIGHT
            self.stdout.write(
                f"Serving {sealwright['PUBLIC_URL']} and {sealwright['PKI_URL']}/pki/ "
                f"({time.monotonic() - began:.1f} s to start). Ctrl-C stops."
            )
            self.stdout.flush()

        # The parts are forks of this process: no connection may be shared with them.
        connections.close_all()
        supervisor = Supervisor(
            programs(),
            settings.BASE_DIR,
            stop_within_s=options["stop_within"],
            ready=listeners_answer,
            on_ready=announce,
        )
        status = supervisor.run()
        if status:
            raise CommandError("stopped because of a failure, see above", returncode=status)
        self.stdout.write("Stopped.")


def programs() -> list[Program]:
    """Return the parts of a running Sealwright, as any supervisor could start them."""
    return [
        Program("https", ["-m", "gunicorn", "-c", "python:config.gunicorn_https"]),
        Program("public", ["-m", "gunicorn", "-c", "python:config.gunicorn_public"]),
        Program("jobs", ["manage.py", "qcluster", "--skip-checks"]),
    ]


def listeners_answer() -> bool:
    """Tell whether both listeners answer ``/livez``."""
    # It only asks whether somebody answers; who does is for clients to verify.
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    host = _reachable(settings.SEALWRIGHT["BIND"])
    return _alive(
        http.client.HTTPSConnection(
            host, settings.SEALWRIGHT["HTTPS_PORT"], timeout=_PROBE_S, context=unverified
        )
    ) and _alive(
        http.client.HTTPConnection(host, settings.SEALWRIGHT["HTTP_PORT"], timeout=_PROBE_S)
    )


def _alive(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/livez", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _reachable(bind: str) -> str:
    """Return an address on which a listener bound to ``bind`` can be reached from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(bind, bind.strip("[]"))  # noqa: S104


def _require_certificate() -> None:
    path: Path = settings.SEALWRIGHT["HOME"] / "tls" / "server.pem"
    if not os.access(path, os.R_OK):
        raise CommandError(
            f"There is no readable TLS certificate at {path}. Run `manage.py quickstart`, which "
            "issues one, or put a PEM file with private key, certificate and chain there."
        )


def _require_free(setting: str) -> None:
    """Refuse a port that somebody else listens on, before anything is started."""
    host, port = settings.SEALWRIGHT["BIND"].strip("[]"), settings.SEALWRIGHT[setting]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host} port {port}: {error.strerror}. "
                f"Choose another port with SEALWRIGHT_{setting}."
            ) from error
