"""Who contributes what? Upper layers register here, lower layers look up.

Imports only point down (ARCHITECTURE: dependency direction); where a lower layer must reach
an upper one, the upper one registers a callable in ``AppConfig.ready()``. The keys are
fixed: a new kind of contribution is a change to this file.
"""

from collections.abc import Callable, Iterable
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
    """A job kind that is enqueued again and again, at most once per ``every``."""

    kind: str
    every: timedelta


@dataclass(frozen=True, slots=True)
class SealedField:
    """A column that holds envelope-encrypted bytes, so that key rotation can find it.

    ``model`` is ``app_label.ModelName``; ``field`` the binary column (empty = no secret).
    """

    model: str
    field: str


@dataclass(frozen=True, slots=True)
class DashboardPanel:
    """One block of the admin's front page.

    ``context`` is called with the request and returns what ``template`` needs.
    """

    template: str
    context: Callable[[Any], dict[str, Any]]
    order: int = 100


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One line of ``/readyz``: ``check`` returns an empty text or what is wrong."""

    name: str
    check: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Callers:
    """Who calls over REST; contributed by the app that keeps tokens and roles.

    ``principal_of`` takes a request and returns its ``Principal``;
    ``application_ids_in_sight`` takes a principal and returns the applications whose
    enrollment settings it may see (``None`` means all).
    """

    principal_of: Callable[[Any], Any]
    application_ids_in_sight: Callable[[Any], Any]


# Called with a ``CertificateRequest`` that is about to be signed after its approval; yields the
# ``pki.findings.Violation`` of everything at the door it came through that holds no more.
ReleaseCheck = Callable[[Any], Iterable[Any]]

# Models of which ``applications.epoch`` has to hear, beside those below it.
governed_models: list[Any] = []

job_kinds: dict[str, JobKind] = {}
recurring: dict[str, Recurring] = {}
sealed_fields: list[SealedField] = []
dashboard_panels: list[DashboardPanel] = []
readiness_checks: dict[str, ReadinessCheck] = {}
callers: list[Callers] = []
release_checks: list[ReleaseCheck] = []


def register_jobs(kinds: Iterable[JobKind], schedules: Iterable[Recurring] = ()) -> None:
    """Add job kinds and how often they recur; the same name twice is a programming error."""
    for kind in kinds:
        if kind.name in job_kinds:
            raise ValueError(f"job kind {kind.name!r} is registered twice")
        job_kinds[kind.name] = kind
    for schedule in schedules:
        recurring[schedule.kind] = schedule
