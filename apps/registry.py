"""Registries in which upper layers announce what lower layers call.

Imports only point down (docs/architecture.md); where a lower layer must reach an upper one, the
upper one registers a callable in ``AppConfig.ready()``. The kinds of registrations are fixed: a
new kind is a change to this file.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of background work.

    Attributes:
        name: stable name stored in Job rows, e.g. ``crl.publish``.
        run: called with the keyword arguments stored in the row; must be idempotent.
            Returns a short text for the job page.
        lease: how long one attempt may take before another worker takes over.
        max_attempts: attempts before the job is given up.
    """

    name: str
    run: Callable[..., str]
    lease: timedelta = timedelta(minutes=5)
    max_attempts: int = 8


@dataclass(frozen=True, slots=True)
class Recurring:
    """A job kind that is enqueued periodically, at most once in ``every``."""

    kind: str
    every: timedelta


@dataclass(frozen=True, slots=True)
class SealedField:
    """A column that holds secrets under envelope encryption; key rotation visits it.

    Attributes:
        model: ``app_label.ModelName`` as Django's app registry has it now.
        field: name of the binary field; an empty value means no secret.
    """

    model: str
    field: str


@dataclass(frozen=True, slots=True)
class DashboardPanel:
    """One block of the admin's front page.

    Attributes:
        template: name of the template.
        context: called with the request; returns the context of the template.
        order: panels are shown in rising order.
    """

    template: str
    context: Callable[[Any], dict[str, Any]]
    order: int = 100


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One line of ``/readyz``.

    Attributes:
        name: shown with the result.
        check: returns what is wrong; empty when all is well.
        advisory: what it finds wants attention, but the process serves nevertheless.
    """

    name: str
    check: Callable[[], str]
    advisory: bool = False


@dataclass(frozen=True, slots=True)
class Callers:
    """Authentication and visibility for the REST API, registered by the app with tokens and roles.

    ``principal_of`` takes a request and returns its ``Principal``;
    ``application_ids_in_sight`` takes a principal and returns the applications whose
    enrollment settings it may see (``None`` means all); ``audit_events_in_sight`` takes a
    principal and the name or identifier of an application (``None`` means all that it may
    read) and returns a queryset of audit events.
    """

    principal_of: Callable[[Any], Any]
    application_ids_in_sight: Callable[[Any], Any]
    audit_events_in_sight: Callable[[Any, str | None], Any]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A configuration or command line to paste into an enrollment client.

    Attributes:
        client: the program it is for.
        language: of the text, as Markdown names it.
        text: the text, without a newline at the end.
    """

    client: str
    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPanel:
    """What pages show about one enrollment method of one application-profile pair.

    Attributes:
        url: the address that clients are configured with.
        snippets: texts to paste into clients; they hold no secret.
        settings: the row whose page changes the endpoint; ``None`` where there is no such row.
    """

    url: str
    snippets: Sequence[Snippet] = ()
    settings: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentMethod:
    """A way to request certificates, such as the API or ACME; registered by its ``method.py``.

    Attributes:
        name: value of ``CertificateRequest.method``; also the ``Principal.kind`` of its accounts.
        label: the name for people.
        is_open: called with a ``Pairing``; whether that pair accepts requests by this method now.
        collects: whether clients come for an approved certificate themselves, perhaps with
            another key than before; it is signed then, not at the approval.
        has_accounts: whether requests come from accounts of the protocol (no user behind them),
            which may request and revoke at their own pair and nothing else.
        url_prefix: path on the TLS listener, such as ``acme/``; empty for an internal method.
        urlconf: dotted path of the URL patterns below the prefix.
        management_urlconf: dotted path of the URL patterns below ``/api/v1/`` by which teams manage
            endpoints and accounts of the method; empty without any.
        refusal: called with a request and an error (``apps.errors``); returns its answer in the
            protocol's form, for requests below the prefix that no view has seen. ``None`` for
            pages and the API, whose form ``apps.web.problems`` knows.
        endpoint_model: model with the settings of the method for one pair; changes to it renew
            the caches that depend on governance. ``None`` where the pair itself has them.
        panel: called with a ``Pairing``; what pages show about it, ``None`` where it is not set up.
    """

    name: str
    label: str
    is_open: Callable[[Any], bool]
    collects: bool = False
    has_accounts: bool = False
    url_prefix: str = ""
    urlconf: str = ""
    management_urlconf: str = ""
    refusal: Callable[[Any, Exception], Any] | None = None
    endpoint_model: Any = None
    panel: Callable[[Any], EndpointPanel | None] = lambda _pairing: None


# Called with a ``CertificateRequest`` that is about to be signed after its approval; yields a
# ``pki.findings.Violation`` for each condition of its enrollment method that is no longer met.
PresignCheck = Callable[[Any], Iterable[Any]]

# Called with a ``CertificateRequest`` that has just ended without a certificate, in the transaction
# of its end: whatever waits for it ends as well.
RequestEnding = Callable[[Any], None]

# Called with a ``Policy``; returns what of upper layers its rules in force stand against
# (``policies.selectors.ProfileWarning``).
PolicyCheck = Callable[[Any], Iterable[Any]]

# Models of upper layers whose changes raise the governance version (ADR 0010).
governed_models: list[Any] = []

enrollment_methods: dict[str, EnrollmentMethod] = {}
job_kinds: dict[str, JobKind] = {}
recurring: dict[str, Recurring] = {}
sealed_fields: list[SealedField] = []
dashboard_panels: list[DashboardPanel] = []
readiness_checks: dict[str, ReadinessCheck] = {}
callers: list[Callers] = []
presign_checks: list[PresignCheck] = []
request_endings: list[RequestEnding] = []
policy_checks: list[PolicyCheck] = []


def register_jobs(kinds: Iterable[JobKind], schedules: Iterable[Recurring] = ()) -> None:
    """Add job kinds and how often they recur; the same name twice is a programming error."""
    for kind in kinds:
        if kind.name in job_kinds:
            raise ValueError(f"job kind {kind.name!r} is registered twice")
        job_kinds[kind.name] = kind
    for schedule in schedules:
        recurring[schedule.kind] = schedule


def register_enrollment_method(method: EnrollmentMethod) -> None:
    """Add an enrollment method.

    Raises:
        ValueError: the name is taken.
    """
    if method.name in enrollment_methods:
        raise ValueError(f"enrollment method {method.name!r} is registered twice")
    enrollment_methods[method.name] = method
    if method.endpoint_model is not None:
        governed_models.append(method.endpoint_model)


def is_protocol_account(kind: str) -> bool:
    """Tell whether principals of this kind are accounts of a registered enrollment method."""
    method = enrollment_methods.get(kind)
    return method is not None and method.has_accounts


def refusal_at(path: str) -> Callable[[Any, Exception], Any] | None:
    """Return how the enrollment method below whose prefix a path lies answers errors, if it can."""
    return next(
        (
            method.refusal
            for method in enrollment_methods.values()
            if method.url_prefix and path.startswith(f"/{method.url_prefix}")
        ),
        None,
    )


def machine_prefixes() -> tuple[str, ...]:
    """Return the paths of all enrollment methods, such as ``/acme/``.

    Requests below them come from programs: no sessions, cookies or CSRF tokens apply.
    """
    return tuple(f"/{m.url_prefix}" for m in enrollment_methods.values() if m.url_prefix)
