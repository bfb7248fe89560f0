"""Issued and recorded objects cannot be changed by any kind of POST."""

import pytest
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms.models import model_to_dict
from django.urls import reverse

from apps.accounts.models import LoginCounter
from apps.applications.models import ApiToken
from apps.audit.models import AuditEvent
from apps.authorities.models import CRL, AuthorityCertificate
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeOrder,
    EabKey,
)
from apps.jobs.models import Job
from apps.policies.models import PolicyVersion
from apps.site.display import admin_url

pytestmark = pytest.mark.django_db

ISSUED = [
    Certificate,
    CertificateRequest,
    CRL,
    AuthorityCertificate,
    AuditEvent,
    LoginCounter,
    Job,
    PolicyVersion,
    ApiToken,
    EabKey,
    AcmeAccount,
    AcmeOrder,
    AcmeAuthorization,
    AcmeChallenge,
]


def rows(model: type[models.Model]) -> list[dict[str, object]]:
    """Return every column of every row, except what a request itself writes."""
    return [model_to_dict(row) for row in model._default_manager.order_by("pk")]


@pytest.mark.parametrize("model", ISSUED)
def test_issued_objects_refuse_add_change_and_delete(model, world, as_grace):
    obj = model._default_manager.first()
    before = rows(model)
    prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    forged = {
        "state": "active",
        "name": "forged",
        "serial_number": "1",
        "_save": "Save",
        "post": "yes",
    }
    for url in (reverse(f"{prefix}_add"), admin_url(obj), admin_url(obj, "delete")):
        assert as_grace.post(url, forged).status_code == 403, url
    assert as_grace.get(reverse(f"{prefix}_add")).status_code == 403
    assert rows(model) == before


@pytest.mark.parametrize("model", ISSUED)
def test_issued_objects_have_no_bulk_deletion(model, world, as_grace):
    before = model._default_manager.count()
    prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    chosen = model._default_manager.first()
    as_grace.post(
        reverse(f"{prefix}_changelist"),
        {"action": "delete_selected", "_selected_action": [str(chosen.pk)], "post": "yes"},
    )
    assert model._default_manager.count() == before


def test_no_class_saves_or_deletes_rows_itself(world, rf):
    for model_admin in admin.site._registry.values():
        for shut in (model_admin.save_model, model_admin.delete_model, model_admin.delete_queryset):
            with pytest.raises(PermissionDenied):
                shut(rf.get("/"), None)


def test_no_list_is_edited_in_place():
    for model_admin in admin.site._registry.values():
        assert model_admin.list_editable == ()
        assert model_admin.inlines == ()
        assert model_admin.show_full_result_count is False


def test_posting_other_fields_to_a_form_changes_nothing(world, as_grace):
    """AC-06: the name is fixed, and so is everything else that the form does not ask for."""
    application = world.team.application
    as_grace.post(
        admin_url(application),
        {"description": "new words", "name": "stolen", "id": "x", "created_at": "2001-01-01"},
    )
    application.refresh_from_db()
    assert application.description == "new words"
    assert application.name == "payments"
    assert application.created_at.year > 2001
