"""Issuance under concurrent use and sudden death of a process, on PostgreSQL."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection, connections

from apps import clock
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.authorities import signing as authority_signing
from apps.authorities.models import IssuedSerial, RevokedSerial
from apps.certificates import approvals, issuance, pipeline, renewal, revocation, sweeps
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Issued
from apps.certificates.renewal import KeySource
from apps.errors import SealwrightError
from apps.profiles.requested_content import RequestedContent
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason
from tests.factories.authorities import status_of
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
THREADS = 20


def together(act: Callable[[int], object], count: int = THREADS) -> list[object]:
    """Run ``act`` in many threads from one barrier; return results and domain errors."""
    barrier = threading.Barrier(count)
    results: list[object] = []

    def run(number: int) -> None:
        try:
            barrier.wait()
            results.append(act(number))
        except SealwrightError as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == count
    return results


def test_anc2_one_request_released_by_many_gives_one_certificate(team, sealwright):
    team.pairing.requires_approval = True
    team.pairing.save()
    pending = issuance.submit(enrollment_of(team, make_csr("www.example.com"))).request
    admin = team.principal(Role.ADMIN)

    def release(_: int) -> object:
        request = CertificateRequest.objects.select_related("application").get(pk=pending.pk)
        return approvals.approve(admin, request)

    results = together(release)

    assert Certificate.objects.count() == 1
    assert sum(isinstance(result, Issued) for result in results) == 1
    assert (
        IssuedSerial.objects.filter(serial_number=Certificate.objects.get().serial_number).count()
        == 1
    )


def test_anc2_an_approved_request_released_by_many_gives_one_certificate(team, sealwright):
    team.pairing.requires_approval = True
    team.pairing.save()
    pending = issuance.submit(enrollment_of(team, make_csr("www.example.com"))).request
    CertificateRequest.objects.filter(pk=pending.pk).update(state=RequestState.APPROVED)

    def release(_: int) -> object:
        request = CertificateRequest.objects.select_related(
            "authority", "application", "profile__policy__current_version"
        ).get(pk=pending.pk)
        return approvals.sign_approved(sealwright, request)

    together(release)

    assert Certificate.objects.count() == 1
    assert CertificateRequest.objects.get(pk=pending.pk).state == RequestState.ISSUED


def test_serial_numbers_are_unique_under_load(team):
    csrs = [make_csr(f"host-{n}.example.com", number=n % 4) for n in range(THREADS)]

    together(lambda n: [issuance.submit(enrollment_of(team, csrs[n])) for _ in range(3)])

    numbers = Counter(Certificate.objects.values_list("serial_number", flat=True))
    assert len(numbers) == THREADS * 3
    assert max(numbers.values()) == 1


def test_one_certificate_is_renewed_once(team):
    requested = RequestedContent(
        subject_alt_names=(("dns_name", "www.example.com"),), key_algorithm=KeyAlgorithm.EC_P256
    )
    certificate = issuance.submit(enrollment_of(team, requested=requested)).certificate

    def renew(_: int) -> object:
        row = Certificate.objects.select_related("application", "profile", "request").get(
            pk=certificate.pk
        )
        return renewal.renew(team.principal(), row, key_source=KeySource.NEW)

    results = together(renew)

    assert Certificate.objects.filter(replaces=certificate).count() == 1
    assert sum(isinstance(result, Issued) for result in results) == 1


def test_one_revocation_wins(team):
    certificate = issuance.submit(enrollment_of(team, make_csr("www.example.com"))).certificate
    reasons = [RevocationReason.KEY_COMPROMISE, RevocationReason.SUPERSEDED]

    def revoke(number: int) -> object:
        row = Certificate.objects.select_related("application").get(pk=certificate.pk)
        return revocation.revoke(team.principal(), row, reasons[number % 2])

    results = together(revoke)

    assert sum(isinstance(result, Certificate) for result in results) == 1
    assert RevokedSerial.objects.get().reason == Certificate.objects.get().revocation_reason


def test_many_reconcilers_finish_a_request_once(team):
    _interrupt(team)
    request = CertificateRequest.objects.get(state=RequestState.SIGNING)
    CertificateRequest.objects.filter(pk=request.pk).update(
        signing_since=clock.now() - timedelta(minutes=3)
    )

    together(lambda _: sweeps.reconcile(), count=8)

    assert Certificate.objects.get().serial_number == request.serial_number


def test_a_request_given_up_while_others_finish_it_has_one_end(team, sealwright):
    for _ in range(4):
        _interrupt(team)
    waiting = list(CertificateRequest.objects.filter(state=RequestState.SIGNING))

    def act(number: int) -> object:
        request = CertificateRequest.objects.get(pk=waiting[number % 4].pk)
        if number % 8 < 4:
            return pipeline.resume(request, sealwright)
        return pipeline.give_up(request, sealwright, "It took too long.")

    together(act, count=16)

    for request in CertificateRequest.objects.all():
        status = status_of(team.authority, request.serial_number).status
        has_certificate = Certificate.objects.filter(request=request).exists()
        assert (request.state, has_certificate, status) in {
            (RequestState.ISSUED, True, "good"),
            (RequestState.FAILED, False, "revoked"),
        }


def test_workers_that_store_overlapping_requests_store_each_once(team):
    """Commit 2 of a bulk against reconcilers of its members."""
    real, signed = authority_signing.sign_tbs, threading.local()

    def slowly(*args: object) -> bytes:
        signed.count = getattr(signed, "count", 0) + 1
        if signed.count == 1:
            barrier.wait(30)
        return real(*args)

    barrier = threading.Barrier(2)
    names = [f"{letter}.example.com" for letter in "abcdef"]

    def act(number: int) -> object:
        if number == 0:
            return issuance.submit_many([enrollment_of(team, make_csr(name)) for name in names])
        while CertificateRequest.objects.count() < len(names):
            pass
        CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=3))
        return sweeps.reconcile()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", slowly)
        together(act, count=2)

    assert Certificate.objects.count() == len(names)
    assert set(CertificateRequest.objects.values_list("state", flat=True)) == {RequestState.ISSUED}
    assert AuditEvent.objects.filter(event="certificate.issued").count() == len(names)


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_9_between_the_commits_leaves_an_intent_that_the_reconciler_finishes(team, when):
    """The child signs through the real pipeline and dies at the key, before or after signing."""
    script = textwrap.dedent(
        f"""
        import os, signal, django
        django.setup()
        from django.db import connections
        connections["default"].settings_dict["NAME"] = {connection.settings_dict["NAME"]!r}
        from pathlib import Path
        from django.conf import settings
        settings.SEALWRIGHT["KEK_FILE"] = Path({str(settings.SEALWRIGHT["KEK_FILE"])!r})
        from apps import principals
        from apps.applications.models import Pairing
        from apps.authorities import signing
        from apps.certificates import issuance
        from apps.certificates.enrollment import Enrollment
        real = signing.sign_tbs
        def dying(*args):
            if {when == "after"!r}:
                real(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        signing.sign_tbs = dying
        pairing = Pairing.objects.select_related(
            "application", "profile__policy__current_version", "profile__authority"
        ).get(pk={str(team.pairing.pk)!r})
        issuance.submit(Enrollment(
            principal=principals.system("tests"), pairing=pairing, method="api",
            csr=bytes.fromhex({make_csr("www.example.com").hex()!r}),
        ))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    reserved = IssuedSerial.objects.get(request_id__isnull=False)
    assert not Certificate.objects.exists()
    request = CertificateRequest.objects.get()
    assert (request.pk, request.state) == (reserved.request_id, RequestState.SIGNING)

    CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=3))
    assert sweeps.reconcile() == "finished 1, failed 0"

    assert Certificate.objects.get().serial_number == reserved.serial_number


def _interrupt(team: object) -> None:
    """Leave a request as a dying worker would: reserved, not signed."""
    from apps.errors import UpstreamUnavailable

    def unavailable(*_: object) -> bytes:
        raise UpstreamUnavailable

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", unavailable)
        with pytest.raises(UpstreamUnavailable):
            issuance.submit(enrollment_of(team, make_csr("www.example.com")))
