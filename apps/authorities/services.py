"""Services of authorities: create, certify, change, disable, enable, renew, revoke and delete.

Every function requires a product administrator first and writes its audit event in the
transaction of the act. Keys are made and used outside transactions.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import (
    authority_spec,
    ca_issuance,
    ca_revocation,
    name_constraints,
    offline_ca,
    publication,
    removal,
    selectors,
    signing,
)
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import Authority, AuthorityKind, AuthorityState
from apps.authorities.signing import IssuerHandle
from apps.errors import AlreadyExists, InvalidInput, InvalidTransition, NotFound
from apps.jobs.models import Job
from apps.keys.models import Key
from apps.keys.services import generate_key
from apps.principals import Principal
from pki.findings import Violation
from pki.reasons import RevocationReason


def create_authority(principal: Principal, spec: AuthoritySpec) -> Authority:
    """Make an authority with a fresh key.

    A root signs itself and an intermediate with a parent is signed by it; both are active at
    once and have a CRL. An intermediate without a parent waits for ``install_certificate``. If
    the key backend fails after the key was made, the authority stays pending and
    ``renew_authority`` completes it.

    Raises:
        AccessDenied: only product administrators.
        AlreadyExists: the name is taken.
        InvalidInput: everything that is wrong with the description.
        UpstreamUnavailable: the key backend does not answer.
    """
    principal.require_governance()
    parent, refusals = _parent_of(spec)
    spec, violations = authority_spec.checked(spec, parent, clock.now_s())
    if refusals or violations:
        raise InvalidInput([*refusals, *violations])
    taken = f"There is an authority named {spec.name}."
    if Authority.objects.filter(name=spec.name).exists():
        raise AlreadyExists(taken)
    key = generate_key(spec.key_algorithm)
    authority = _row(spec, key)
    planned = None
    if spec.kind == AuthorityKind.ROOT or parent is not None:
        planned = ca_issuance.plan(
            authority,
            lifetime_days=spec.lifetime_days or authority_spec.DEFAULT_LIFETIME_DAYS,
            issuer=parent,
        )
    try:
        with transaction.atomic():
            key.save(force_insert=True)
            authority.save(force_insert=True)
            if planned is not None:
                ca_issuance.reserve(authority, planned)
            record(Event.KEY_GENERATED, principal=principal, subject=key, backend=key.backend)
            record(
                Event.AUTHORITY_CREATED,
                principal=principal,
                subject=authority,
                kind=authority.kind,
                certified_subject=authority.subject,
                key_algorithm=key.algorithm,
                parent=spec.parent.name if spec.parent else "",
            )
    except IntegrityError as error:
        raise AlreadyExists(taken) from error
    if planned is not None:
        ca_issuance.certify(principal, authority, planned, Event.AUTHORITY_ACTIVATED)
    return authority


def authority_csr(principal: Principal, authority: Authority) -> bytes:
    """Return the PKCS#10 request of an intermediate for an offline CA, PEM.

    Raises:
        AccessDenied: only product administrators.
        InvalidTransition: it is a root, or its parent is an authority of this product.
    """
    principal.require_governance()
    offline_ca.require_outside_issuer(authority)
    return offline_ca.csr_pem(authority)


def install_certificate(
    principal: Principal, authority: Authority, *, certificate: bytes, chain: bytes = b""
) -> Authority:
    """Install a certificate that an offline CA issued; the first one activates the authority.

    Args:
        principal: a product administrator.
        authority: an intermediate without a parent in this product.
        certificate: PEM or DER; a PEM file may hold the chain as well.
        chain: issuers above it, PEM or DER, in any order, with or without the root.

    Raises:
        AccessDenied: only product administrators.
        AlreadyExists: this very certificate was installed before.
        InvalidInput: everything that is wrong with the certificate or its chain.
        InvalidTransition: it is a root, its parent is an authority of this product, or it is
            disabled or revoked.
    """
    principal.require_governance()
    offline_ca.require_outside_issuer(authority)
    received = offline_ca.received_certificate(authority, certificate, chain, at=clock.now_s())
    first = authority.state == AuthorityState.PENDING_CERTIFICATE
    authority.path_length = received.path_length
    authority.name_constraints = name_constraints.to_document(received.name_constraints)
    event = Event.AUTHORITY_ACTIVATED if first else Event.AUTHORITY_RENEWED
    try:
        ca_issuance.install(principal, authority, received.der, event=event, above=received.above)
    except IntegrityError as error:
        raise AlreadyExists("This certificate has been installed before.") from error
    return authority


def update_authority(
    principal: Principal,
    authority: Authority,
    *,
    crl_mirror_urls: Sequence[str] | None = None,
    publish_crl_url: bool | None = None,
    crl_lifetime_hours: int | None = None,
    ocsp_enabled: bool | None = None,
) -> Authority:
    """Change how an authority publishes its status; ``None`` leaves a field as it is.

    URLs in certificates that exist already do not change.

    Raises:
        AccessDenied: only product administrators.
        InvalidInput: everything that is wrong with the new values.
    """
    principal.require_governance()
    given: dict[str, Any] = {
        "crl_mirror_urls": None
        if crl_mirror_urls is None
        else [u.strip() for u in crl_mirror_urls],
        "publish_crl_url": publish_crl_url,
        "crl_lifetime_hours": crl_lifetime_hours,
        "ocsp_enabled": ocsp_enabled,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    violations = tuple(
        authority_spec.limit_violations(
            crl_lifetime_hours=changes.get("crl_lifetime_hours", 1),
            crl_mirror_urls=changes.get("crl_mirror_urls", ()),
        )
    )
    if violations:
        raise InvalidInput(violations)
    with transaction.atomic():
        locked = selectors.locked(authority.pk)
        before = {name: getattr(locked, name) for name in changes}
        changed = {name: value for name, value in changes.items() if value != before[name]}
        for name, value in changed.items():
            setattr(locked, name, value)
        if changed:
            locked.save(update_fields=list(changed))
            record(
                Event.AUTHORITY_UPDATED,
                principal=principal,
                subject=locked,
                before={name: before[name] for name in changed},
                after=changed,
            )
    authority.refresh_from_db()
    return authority


def disable_authority(principal: Principal, authority: Authority) -> Authority:
    """Stop issuing; CRLs and OCSP responses continue.

    Raises:
        AccessDenied: only product administrators.
        InvalidTransition: it is not active.
    """
    principal.require_governance()
    return _change_state(
        principal,
        authority,
        AuthorityState.ACTIVE,
        AuthorityState.DISABLED,
        Event.AUTHORITY_DISABLED,
    )


def enable_authority(principal: Principal, authority: Authority) -> Authority:
    """Let a disabled authority issue again.

    Raises:
        AccessDenied: only product administrators.
        InvalidTransition: it is not disabled, or an authority above it has been revoked.
    """
    principal.require_governance()
    with transaction.atomic():
        if authority.parent_id is not None:
            # Locked from the top down, as a revocation above would do it.
            parent = selectors.locked(authority.parent_id)
            revoked = selectors.nearest_revoked(parent)
            if revoked is not None:
                raise InvalidTransition(
                    f"The authority {revoked.name} above it has been revoked: nothing that is "
                    "issued here would verify. Create a new authority below another one."
                )
        return _change_state(
            principal,
            authority,
            AuthorityState.DISABLED,
            AuthorityState.ACTIVE,
            Event.AUTHORITY_ENABLED,
        )


def renew_authority(principal: Principal, authority: Authority, lifetime_days: int) -> Authority:
    """Give an authority a new certificate for the same key, from itself or its parent.

    Certificates issued so far stay verifiable, because subject and key are the same. This also
    completes an authority that stayed pending because its key backend failed.

    Raises:
        AccessDenied: only product administrators.
        InvalidInput: everything that is wrong with the new lifetime.
        InvalidTransition: it is disabled or revoked, or its issuer is outside this product.
        NotFound: it has been deleted meanwhile.
        UpstreamUnavailable: the key backend does not answer.
    """
    principal.require_governance()
    authority = selectors.authority_named(authority.name)
    if authority.state == AuthorityState.DISABLED:
        raise InvalidTransition(f"The authority {authority.name} is disabled.")
    if authority.state == AuthorityState.REVOKED:
        raise InvalidTransition(
            f"The authority {authority.name} has been revoked, and a renewal would certify the "
            "same key. Create a new authority."
        )
    if authority.kind == AuthorityKind.INTERMEDIATE and authority.parent_id is None:
        raise InvalidTransition(
            "Its issuer is outside this product: install a new certificate instead."
        )
    parent = signing.issuer_of(authority.parent_id) if authority.parent_id else None
    violations = list(authority_spec.limit_violations(lifetime_days=lifetime_days))
    if parent is not None:
        violations += authority_spec.parent_violations(
            parent,
            subject=tuple((attribute, value) for attribute, value in authority.subject),
            path_length=authority.path_length,
            constraints=name_constraints.from_document(authority.name_constraints),
        )
        if not violations:
            violations += authority_spec.lifetime_violations(parent, lifetime_days, clock.now_s())
    if violations:
        raise InvalidInput(violations)
    planned = ca_issuance.plan(authority, lifetime_days=lifetime_days, issuer=parent)
    try:
        with transaction.atomic():
            ca_issuance.reserve(authority, planned)
    except IntegrityError as error:
        raise NotFound("The authority, or its parent, has been deleted meanwhile.") from error
    pending = authority.state == AuthorityState.PENDING_CERTIFICATE
    event = Event.AUTHORITY_ACTIVATED if pending else Event.AUTHORITY_RENEWED
    ca_issuance.certify(principal, authority, planned, event)
    return authority


def revoke_authority(
    principal: Principal,
    authority: Authority,
    reason: RevocationReason,
    *,
    serial_number: str | None = None,
    invalidity_date: datetime | None = None,
) -> Authority:
    """Revoke the authority's own certificates at its parent, for good.

    OCSP of the parent says so at once, its CRL within seconds. The authority and those below it
    issue nothing more; their CRLs and OCSP answers go on, and certificates below stay on record as
    they are. Where the parent is a CA outside this product, this only stops the authority here.

    Args:
        principal: a product administrator.
        authority: an intermediate.
        reason: any but ``certificateHold``.
        serial_number: lower-case hex; revoke only this earlier certificate, which a renewal has
            replaced, and go on issuing. ``None`` for the authority as a whole.
        invalidity_date: since when the key is doubted; not in the future.

    Raises:
        AccessDenied: only product administrators.
        AlreadyRevoked: it is revoked.
        BadRevocationReason: a hold, a date in the future, or a compromise of the key given as
            the reason for one certificate only.
        InvalidTransition: it is a root, has no certificate, or each of them has expired.
        NotFound: it has no certificate with that serial number, or has been deleted meanwhile.
    """
    principal.require_governance()
    # An empty text is a number that nothing has: it must not widen the revocation to everything.
    if serial_number is not None:
        ca_revocation.revoke_earlier_certificate(
            principal, authority, serial_number, reason, invalidity_date=invalidity_date
        )
    else:
        ca_revocation.revoke(principal, authority, reason, invalidity_date=invalidity_date)
    authority.refresh_from_db()
    return authority


def request_crl(principal: Principal, authority: Authority) -> Job:
    """Have a new CRL published by a job, instead of when it is due; return the job.

    Raises:
        AccessDenied: only product administrators.
        InvalidTransition: the authority has no certificate installed.
    """
    principal.require_governance()
    signing.status_issuer_of(authority.pk)
    with transaction.atomic():
        job = publication.request_crl(authority)
        record(Event.CRL_REQUESTED, principal=principal, subject=authority, job=str(job.pk))
    return job


def delete_authority(principal: Principal, authority: Authority) -> None:
    """Remove an authority that nothing depends on, and destroy its key.

    A certificate that a parent here issued to it is revoked.

    Raises:
        AccessDenied: only product administrators.
        InUse: names its children, profiles, certificates and unexpired serial numbers.
    """
    principal.require_governance()
    removal.remove(principal, authority)


def _parent_of(spec: AuthoritySpec) -> tuple[IssuerHandle | None, list[Violation]]:
    """Return the parent ready to sign, or why it cannot."""
    if spec.parent is None or spec.kind == AuthorityKind.ROOT:
        return None, []
    try:
        parent = signing.issuer_of(spec.parent.pk)
    except InvalidTransition as error:
        name = spec.parent.name
        return None, [
            Violation("authority.parent_not_active", "parent", name, error.detail, "An active one.")
        ]
    if parent.not_after <= clock.now():
        ended = f"The certificate of {parent.name} has expired."
        return None, [
            Violation("authority.parent_expired", "parent", parent.name, ended, "Renew it first.")
        ]
    return parent, []


def _row(spec: AuthoritySpec, key: Key) -> Authority:
    return Authority(
        name=spec.name,
        kind=AuthorityKind(spec.kind),
        key=key,
        parent=spec.parent,
        subject=[list(pair) for pair in spec.subject],
        path_length=spec.path_length,
        name_constraints=name_constraints.to_document(spec.name_constraints),
        crl_mirror_urls=list(spec.crl_mirror_urls),
        publish_crl_url=spec.publish_crl_url,
        crl_lifetime_hours=spec.crl_lifetime_hours,
        ocsp_enabled=spec.ocsp_enabled,
    )


def _change_state(
    principal: Principal,
    authority: Authority,
    before: AuthorityState,
    after: AuthorityState,
    event: Event,
) -> Authority:
    with transaction.atomic():
        locked = selectors.locked(authority.pk)
        if locked.state != before:
            raise InvalidTransition(f"The authority {locked.name} is {locked.state}, not {before}.")
        locked.state = after
        locked.save(update_fields=["state"])
        record(event, principal=principal, subject=locked)
    authority.refresh_from_db()
    return authority
