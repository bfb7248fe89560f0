"""Admin pages of certificate requests, with actions that approve and deny pending ones."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.applications import access
from apps.applications.roles import Permission
from apps.authorities.models import AuthorityState
from apps.certificates import approvals
from apps.certificates.admin.notes import notes_section
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Pending
from apps.principals import Principal
from apps.site.display import admin_url, state_badge
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Confirmation, Detail, ObjectAction, ObjectForm, Section, details
from pki import names
from pki.describe import describe_csr

_Data = dict[str, Any]


class DenyForm(ObjectForm):
    """Why not."""

    comment = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="Shown to the requester.",
    )


def _approve(
    _: HttpRequest, principal: Principal, request: CertificateRequest, _data: _Data
) -> str:
    outcome = approvals.approve(principal, request)
    if approvals.is_for_client(outcome.request):
        return "The request is approved; its client gets the certificate when it asks again."
    if isinstance(outcome, Pending):
        return "The request is approved, and was submitted to its external authority."
    return f"The request is approved; the certificate {outcome.certificate} was issued."


def _deny(_: HttpRequest, principal: Principal, request: CertificateRequest, data: _Data) -> str:
    approvals.deny(principal, request, data["comment"])
    return "The request is denied."


def _may_not_deny(principal: Principal, request: CertificateRequest) -> str:
    return access.why_not(principal, request.application, Permission.APPROVE_REQUESTS)


def _hindrance(request: CertificateRequest) -> list[Detail]:
    """Say that an approval cannot lead to a certificate, as the authority issues none."""
    authority = request.profile.authority
    if not _pending(request) or authority is None:
        return []
    if authority.state == AuthorityState.ACTIVE:
        return []
    text = (
        f"The authority {authority} is {authority.get_state_display().lower()} and issues nothing"
    )
    if authority.state == AuthorityState.REVOKED:
        text += " any more: an approval ends the request as rejected"
    return [Detail("Hindrance", f"{text}.", admin_url(authority))]


def _pending(request: CertificateRequest) -> bool:
    return request.state == RequestState.PENDING_APPROVAL


@admin.register(CertificateRequest)
class CertificateRequestAdmin(ReadOnlyAdmin):
    """Every attempt to obtain a certificate, refused ones included."""

    list_display = (
        "wanted",
        "state_shown",
        "application",
        "profile",
        "requester",
        "method",
        "created_at",
    )
    list_display_links = ("wanted",)
    list_filter = ("state", "method", "application", "profile", "created_at")
    search_fields = ("id__exact",)
    serial_columns = ("certificate__serial_number",)
    name_columns = ("search_text",)
    search_help_text = "Names, requester, identifier or serial number"
    sortable_by = ()
    list_select_related = ("application", "profile")
    ordering = ("-id",)
    empty_text = "Nothing has been requested yet."
    object_actions: ClassVar = (
        ObjectAction(
            name="approve",
            label="Approve…",
            form=Confirmation,
            run=_approve,
            intro="The content shown on the request's page is signed, if today's policy still allows it. "
            "An ACME client gets the certificate when it asks again, within 7 days: the approval "
            "covers names, profile and account, and the client may bring another key. "
            "Nobody approves a request of their own.",
            available=_pending,
            refusal=approvals.why_not_approve,
        ),
        ObjectAction(
            name="deny",
            label="Deny…",
            form=DenyForm,
            run=_deny,
            danger=True,
            intro="The request ends as rejected; the requester may ask again.",
            available=_pending,
            refusal=_may_not_deny,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CertificateRequest]:
        """Leave sealed keys in the database: no page shows them."""
        return super().get_queryset(request).defer("sealed_private_key", "tbs_der")

    @admin.display(description="Wanted")
    def wanted(self, request: CertificateRequest) -> str:
        """Return the first name asked for."""
        return request.name or "(no usable name)"

    @admin.display(description="State", ordering="state")
    def state_shown(self, request: CertificateRequest) -> str:
        """Return the state, coloured."""
        return state_badge(request)

    @admin.display(ordering="requester_label")
    def requester(self, request: CertificateRequest) -> str:
        """Return who asked."""
        return request.requester_label or request.requested_by

    def title_of(self, obj: CertificateRequest) -> str:
        """Return the name asked for: an identifier tells nobody anything."""
        return self.wanted(obj)

    def sections(self, request: HttpRequest, obj: CertificateRequest) -> list[Section]:
        """Show its course, what stands against it, the content decided upon, and the CSR."""
        certificate = Certificate.objects.filter(request=obj).first()
        shown = [
            details(
                "Request",
                [
                    Detail("Identifier", obj.pk, mono=True),
                    Detail("State", state_badge(obj)),
                    Detail("Application", obj.application, admin_url(obj.application)),
                    Detail(
                        "Profile",
                        f"{obj.profile} (revision {obj.profile_revision})",
                        admin_url(obj.profile),
                    ),
                    *_hindrance(obj),
                    Detail("Policy version", obj.policy_version, admin_url(obj.policy_version)),
                    Detail("Requested by", f"{obj.requester_label} ({obj.requested_by})"),
                    Detail("Enrollment method", obj.get_method_display()),
                    Detail(
                        "Certificate", certificate, admin_url(certificate) if certificate else ""
                    ),
                    Detail(
                        "Replaces", obj.replaces, admin_url(obj.replaces) if obj.replaces else ""
                    ),
                    Detail("Approved", obj.approved_at),
                    Detail("Approved by", obj.approved_by),
                    Detail("Remark", obj.failure),
                    Detail("Created", obj.created_at),
                    Detail("Changed", obj.updated_at),
                ],
            ),
            Section("Violations", "admin/includes/violations.html", {"violations": obj.violations}),
            notes_section(obj),
        ]
        if obj.leaf:
            shown.append(details("Content", _content(obj.leaf)))
        csr = bytes(obj.csr_der)
        if csr:
            shown.append(
                Section("CSR", "admin/includes/decoded.html", {"decoded": describe_csr(csr)})
            )
        return shown


def _content(leaf: _Data) -> list[Detail]:
    limit = leaf["path_length"]
    return [
        Detail("Subject", names.rfc4514([(kind, value) for kind, value in leaf["subject"]])),
        Detail("Names", [f"{kind}: {value}" for kind, value in leaf["subject_alt_names"]]),
        Detail("Key algorithm", leaf["key_algorithm"]),
        Detail("Signature algorithm", leaf["signature_algorithm"]),
        Detail("Key usage", leaf["key_usage"]),
        Detail("Extended key usage", leaf["extended_key_usage"]),
        Detail("Certificate authority", "yes" if leaf["is_ca"] else "no"),
        Detail("Path length", "" if limit is None else str(limit)),
        Detail("Must-staple", "yes" if leaf.get("must_staple") else "no"),
        Detail("Not before", datetime.fromisoformat(leaf["not_before"])),
        Detail("Not after", datetime.fromisoformat(leaf["not_after"])),
    ]
