"""Command that runs the front server, the application and the job workers in the foreground."""

import http.client
import logging
import os
import shlex
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from apps.operations import front_server, web_certificate
from apps.operations.front_server import CertificateWatch
from apps.operations.nginx_config import FrontServerError
from apps.operations.start_checks import require_keyring
from apps.operations.supervisor import Program, Supervisor, python

logger = logging.getLogger(__name__)
FRONT = "front"
_PROBE_S = 0.5


class Command(BaseCommand):
    """``manage.py serve``: one machine's Sealwright, until Ctrl-C."""

    help = "Run front server, application and job workers until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stop-within",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long running requests and jobs may take to finish (default: 30)",
        )
        parser.add_argument(
            "--print",
            action="store_true",
            help="write the front server's configuration, print the parts' command lines and exit",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["print"]:
            with _explained():
                front_server.prepare()
                parts = programs()
            for program in parts:
                self.stdout.write(f"{program.name}: {shlex.join(program.command)}")
            return
        began = time.monotonic()
        require_keyring()
        _require_certificate()
        _require_free_ports()
        with _explained():
            front_server.prepare()
            front_server.check()

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
        supervisor.on_tick = CertificateWatch(
            send=lambda number: supervisor.send(FRONT, number), report=logger.error
        ).look
        try:
            status = supervisor.run()
        finally:
            front_server.clean()
        if status:
            raise CommandError("stopped because of a failure, see above", returncode=status)
        self.stdout.write("Stopped.")


def programs() -> list[Program]:
    """Return the parts of a running Sealwright, as any supervisor could start them."""
    return [
        python("application", "-m", "gunicorn", "-c", "python:config.gunicorn"),
        python("jobs", "manage.py", "qcluster", "--skip-checks"),
        # SIGQUIT lets nginx finish the answers that it is sending.
        Program(FRONT, front_server.command(), stop_first_with=signal.SIGQUIT),
    ]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except FrontServerError as error:
        raise CommandError(str(error)) from error


def listeners_answer() -> bool:
    """Tell whether both listeners answer ``/livez``."""
    # It only asks whether somebody answers; who does is for clients to verify.
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    host = reachable_address(settings.SEALWRIGHT["BIND"])
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


def reachable_address(bind: str) -> str:
    """Return an address on which a listener bound to ``bind`` can be reached from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(bind, bind.strip("[]"))  # noqa: S104


def _require_certificate() -> None:
    path = web_certificate.server_file()
    if not os.access(path, os.R_OK):
        raise CommandError(
            f"There is no readable TLS certificate at {path}. Run `manage.py quickstart`, which "
            "issues one, or put a PEM file with private key, certificate and chain there."
        )


def _require_free_ports() -> None:
    """Refuse ports that somebody else listens on, before anything is started."""
    host = settings.SEALWRIGHT["BIND"].strip("[]")
    for setting in ("HTTPS_PORT", "HTTP_PORT"):
        _require_free(setting, host, settings.SEALWRIGHT[setting])
    if settings.SEALWRIGHT["PROXY_BIND"]:
        host, _, port = settings.SEALWRIGHT["PROXY_BIND"].rpartition(":")
        _require_free("PROXY_BIND", host.strip("[]"), int(port))


def _require_free(setting: str, host: str, port: int) -> None:
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
