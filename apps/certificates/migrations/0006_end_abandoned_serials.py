"""Prepare rows of earlier versions for the pipeline that writes every request before it signs.

* Requests get the type of their issuer.
* For a while, a request that was signed at once was written together with its certificate. A process
  that died in between left a reserved serial number without a request. Nobody has seen the
  signature, but the number must not count as good: it is revoked, and the request written as failed
  with what the audit event of its approval says, as the reconciler did.
* Ended requests whose authority is gone lose the reference to it, so that the next migration can add
  the constraint. Certificates cannot be such rows: the references of their request and of their
  issuer's certificate imply theirs.
"""

from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef

from apps import clock

_REASON = "The process ended before the certificate was stored."
_ACTOR, _ACTOR_LABEL = "system:migration", "Sealwright migration"


def set_issuer_type(apps: Any, schema_editor: Any) -> None:
    requests = apps.get_model("certificates", "CertificateRequest").objects
    authority = apps.get_model("authorities", "Authority").objects.filter(
        pk=OuterRef("authority_id")
    )
    requests.filter(authority_id=None).update(issuer_type="self-signed")
    requests.filter(~Exists(authority), authority_id__isnull=False).update(authority_id=None)


def end_abandoned_serials(apps: Any, schema_editor: Any) -> None:
    written = apps.get_model("certificates", "CertificateRequest").objects.filter(
        pk=OuterRef("request_id")
    )
    abandoned = apps.get_model("authorities", "IssuedSerial").objects.filter(
        ~Exists(written), request_id__isnull=False
    )
    for reserved in abandoned.order_by("pk"):
        _end(apps, reserved)


def _end(apps: Any, reserved: Any) -> None:
    audit_events = apps.get_model("audit", "AuditEvent").objects
    apps.get_model("authorities", "RevokedSerial").objects.get_or_create(
        authority_id=reserved.authority_id,
        serial_number=reserved.serial_number,
        defaults={
            "reason": "unspecified",
            "revoked_at": clock.now_s(),
            "not_after": reserved.not_after,
        },
    )
    approved = audit_events.filter(
        subject_type="certificates.certificaterequest",
        subject_id=str(reserved.request_id),
        event="request.approved",
    ).first()
    if approved is not None and _is_there(apps, approved):
        apps.get_model("certificates", "CertificateRequest").objects.create(
            id=reserved.request_id,
            application_id=approved.application_id,
            profile_id=approved.data["profile"],
            profile_revision=approved.data["profile_revision"],
            policy_version_id=approved.data["policy_version"],
            authority_id=reserved.authority_id,
            state="failed",
            method=approved.data["method"],
            requested_by=approved.actor,
            requester_label=approved.actor_label,
            leaf={},
            failure=_REASON,
            serial_number=reserved.serial_number,
            tbs_sha256=reserved.tbs_sha256,
            signing_since=reserved.created_at,
            created_at=reserved.created_at,
        )
    audit_events.create(
        event="certificate.issue_failed",
        actor=_ACTOR,
        actor_label=_ACTOR_LABEL,
        subject_type="certificates.certificaterequest",
        subject_id=str(reserved.request_id),
        subject_label=f"request {reserved.request_id}",
        application_id=approved.application_id if approved is not None else None,
        data={"reason": _REASON, "serial_number": reserved.serial_number},
    )


def _is_there(apps: Any, approved: Any) -> bool:
    """Tell whether everything that the request refers to still exists."""
    wanted = (
        ("applications", "Application", approved.application_id),
        ("profiles", "Profile", approved.data.get("profile")),
        ("policies", "PolicyVersion", approved.data.get("policy_version")),
    )
    return {"profile_revision", "method"} <= approved.data.keys() and all(
        apps.get_model(app, name).objects.filter(pk=key).exists() for app, name, key in wanted
    )


class Migration(migrations.Migration):

    dependencies = [
        ("applications", "0002_governance_changes"),
        ("audit", "0003_created_in_stretches"),
        ("authorities", "0005_serials_of_removed_authorities"),
        ("certificates", "0005_signers"),
        ("policies", "0001_initial"),
        ("profiles", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(set_issuer_type, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(end_abandoned_serials, migrations.RunPython.noop, elidable=True),
    ]
