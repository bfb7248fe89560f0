"""AC-08: text from certificates, requests and errors is escaped in pages."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from apps import principals
from apps.applications import services
from apps.audit.models import AuditEvent
from apps.certificates.models import Certificate, CertificateRequest
from apps.jobs.models import Job
from apps.site.display import admin_url

ROOT = Path(__file__).resolve().parents[3]
PAYLOAD = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
# The one module that builds HTML by hand; format_html escapes its arguments.
BUILDS_HTML = {"apps/site/display.py"}


def inert(content: bytes) -> bool:
    text = content.decode()
    return "<script>alert" not in text and "<img src=x" not in text


@pytest.mark.django_db
def test_ac08_payloads_in_stored_names_are_escaped_on_every_page(world, as_grace):
    Certificate.objects.update(
        common_name=PAYLOAD[:255],
        subject=PAYLOAD,
        issuer=PAYLOAD,
        subject_alt_names=[["dns_name", PAYLOAD]],
    )
    leaf = {**world.pending.leaf, "subject": [["common_name", PAYLOAD]]}
    leaf["subject_alt_names"] = [["dns_name", PAYLOAD]]
    violation = dict.fromkeys(("code", "field", "value", "reason", "hint"), PAYLOAD)
    CertificateRequest.objects.update(
        leaf=leaf, requester_label=PAYLOAD, failure=PAYLOAD, violations=[violation]
    )
    Job.objects.update(last_error=PAYLOAD, progress=PAYLOAD, arguments={"a": PAYLOAD})
    AuditEvent.objects.bulk_create(
        [
            AuditEvent(
                event="request.rejected",
                actor=PAYLOAD,
                actor_label=PAYLOAD,
                subject_label=PAYLOAD,
                trace_id="x",
                data={"violations": [PAYLOAD]},
            )
        ]
    )
    services.update_application(
        principals.system("tests"), world.team.application, description=PAYLOAD
    )
    event = AuditEvent.objects.filter(actor=PAYLOAD).get()
    pages = [
        reverse("admin:index"),
        reverse("admin:certificates_certificate_changelist"),
        reverse("admin:certificates_certificaterequest_changelist"),
        reverse("admin:jobs_job_changelist"),
        reverse("admin:audit_auditevent_changelist"),
        reverse("admin:applications_application_changelist"),
        *(admin_url(obj) for obj in (world.certificate, world.pending, world.rejected)),
        *(admin_url(obj) for obj in (world.job, event, world.team.application)),
        admin_url(world.certificate, "revoke"),
    ]
    for page in pages:
        answer = as_grace.get(page)
        assert answer.status_code == 200, page
        assert inert(answer.content), page


@pytest.mark.django_db
def test_ac08_what_was_typed_is_escaped_in_errors_and_messages(world, as_grace):
    answer = as_grace.post(
        reverse("admin:policies_policy_add"),
        {
            "name": PAYLOAD[:60],
            "rules": '{"subject": [{"type": "' + "<script>alert(1)</script>" + '"}]}',
        },
    )
    assert answer.status_code == 200
    assert inert(answer.content)
    answer = as_grace.get(reverse("admin:certificates_certificate_changelist"), {"q": PAYLOAD})
    assert inert(answer.content)


def test_ac08_html_is_built_by_hand_in_one_module_only():
    marks = re.compile(
        r"mark_safe|format_html|SafeString\(|autoescape\s+off|\|\s*safe\b|allow_tags"
    )
    files = [
        path
        for folder in ("apps", "templates")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".html", ".txt"}
    ]
    found = {
        str(path.relative_to(ROOT))
        for path in files
        if marks.search(path.read_text(encoding="utf-8"))
    }
    assert found <= BUILDS_HTML


def test_templates_hold_no_inline_script_style_or_handler():
    """The Content-Security-Policy would block them; better not to write them at all."""
    inline = re.compile(
        r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:", re.IGNORECASE
    )
    for path in [*(ROOT / "templates").rglob("*.html"), *(ROOT / "apps").rglob("*.html")]:
        assert not inline.search(path.read_text(encoding="utf-8")), path
