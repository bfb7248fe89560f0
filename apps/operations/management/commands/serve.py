"""Command that runs the front server, the application and the job workers in the foreground."""

import http.client
import logging
import shlex
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import connections

from apps import principals
from apps.authorities import pki_urls
from apps.operations import (
    database,
    front_server,
    start_checks,
    tls_files,
    web_certificate,
    web_certificate_health,
)
from apps.operations.front_server import CertificateWatch
from apps.operations.nginx_config import FrontServerError
from apps.operations.start_checks import only_start
from apps.operations.supervisor import Program, Supervisor, python

logger = logging.getLogger(__name__)
FRONT = "front"
STOP_WITHIN_S = 30.0
_PROBE_S = 0.5


class Command(BaseCommand):
    """``manage.py serve``: one machine's Sealwright, until Ctrl-C."""

    help = "Run front server, application and job workers until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stop-within",
            type=float,
            default=STOP_WITHIN_S,
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
            with only_start(), explained():
                show_a_certificate()
                front_server.prepare()
                parts = programs()
            for program in parts:
                self.stdout.write(f"{program.name}: {shlex.join(program.command)}")
            return
        start_checks.refuse_second_start()
        start_checks.refuse([*start_checks.machine_problems(), *database.problems()])
        start_checks.require_keyring()
        with only_start():
            serve(self.stdout, stop_within_s=options["stop_within"])


def serve(stdout: OutputWrapper, *, stop_within_s: float = STOP_WITHIN_S) -> None:
    """Run all parts until a signal comes; the caller has made the checks and holds the start.

    Raises:
        CommandError: the front server refuses its configuration, or a part ended by itself.
    """
    began = time.monotonic()
    former = pki_urls.adopt(principals.system("start"))
    if former:
        logger.warning("The PKI URL has changed. %s", pki_urls.account(former))
    show_a_certificate()
    with explained():
        front_server.prepare()
        front_server.check()

    def announce() -> None:
        sealwright = settings.SEALWRIGHT
        stdout.write(
            f"Serving {sealwright['PUBLIC_URL']} and {sealwright['PKI_URL']}/pki/ "
            f"({time.monotonic() - began:.1f} s to start). Ctrl-C stops."
        )
        stdout.flush()

    # The parts are forks of this process: no connection may be shared with them.
    connections.close_all()
    supervisor = Supervisor(
        programs(),
        settings.BASE_DIR,
        stop_within_s=stop_within_s,
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
    stdout.write("Stopped.")


def programs() -> list[Program]:
    """Return the parts of a running Sealwright, as any supervisor could start them."""
    return [
        python("application", "-m", "gunicorn", "-c", "python:config.gunicorn"),
        python("jobs", "manage.py", "qcluster", "--skip-checks"),
        # SIGQUIT lets nginx finish the answers that it is sending.
        Program(FRONT, front_server.command(), stop_first_with=signal.SIGQUIT),
    ]


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the front server refuses into an error of the command."""
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


def show_a_certificate() -> None:
    """Give the TLS listener a certificate, a self-signed one if there is no other; warn of faults."""
    tls_files.provide(web_certificate.names())
    found = web_certificate_health.problems()
    if found:
        logger.warning("%s %s", " ".join(found), web_certificate_health.remedy())
