"""Services that create, change and delete profiles; defaults are checked against the policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError

from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities.models import Authority, AuthorityState
from apps.errors import AlreadyExists, InUse, InvalidInput, NotFound
from apps.policies import selectors as policy_selectors
from apps.policies.models import Policy
from apps.policies.slugs import description_violations, naming_violations
from apps.principals import Principal
from apps.profiles.defaults import parse_defaults, violations_against
from apps.profiles.models import AcmeSubject, CsrExtras, IssuerType, MustStaple, Profile
from apps.profiles.requested_content import Defaults
from pki.addresses import quoted
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, signature_algorithms_of
from pki.findings import Violation

CSR_SETTINGS: Mapping[str, type[models.TextChoices]] = {
    "csr_extras": CsrExtras,
    "must_staple": MustStaple,
    "acme_subject": AcmeSubject,
}
"""Settings of a profile about CSRs, with their choices."""


def create_profile(
    principal: Principal,
    *,
    name: str,
    description: str = "",
    issuer_type: str = IssuerType.AUTHORITY,
    authority: Authority | None = None,
    policy: Policy,
    defaults: dict[str, Any] | None = None,
    csr: Mapping[str, str] | None = None,
) -> Profile:
    """Create a profile of an issuer, a policy and defaults.

    ``csr`` holds what becomes of content of CSRs, by the names in ``CSR_SETTINGS``.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: name, issuer, defaults or settings are unusable, or the defaults break the policy;
            everything wrong is listed.
        AlreadyExists: the name is taken.
    """
    principal.require_governance()
    parts = _Parts(issuer_type, authority, policy, {} if defaults is None else defaults)
    read, found = _checked(parts)
    found = [
        *naming_violations(name, description),
        *_revoked_violations(authority),
        *found,
        *_csr_violations(csr or {}),
    ]
    if read is None or found:
        raise InvalidInput(found)
    try:
        with transaction.atomic():
            profile = Profile.objects.create(
                name=name,
                description=description,
                issuer_type=issuer_type,
                authority=authority,
                policy=policy,
                defaults=read.document,
                **(csr or {}),
            )
            record(
                Event.PROFILE_CREATED,
                principal=principal,
                subject=profile,
                revision=profile.revision,
                **_recorded(parts, read),
                **_csr_recorded(profile),
            )
    except IntegrityError as error:
        if Profile.objects.filter(name=name).exists():
            raise AlreadyExists(f"There is a profile {quoted(name)} already.") from error
        raise
    return profile


def update_profile(
    principal: Principal,
    profile: Profile,
    *,
    description: str | None = None,
    issuer_type: str | None = None,
    authority: Authority | None = None,
    policy: Policy | None = None,
    defaults: dict[str, Any] | None = None,
    csr: Mapping[str, str] | None = None,
) -> Profile:
    """Change a profile; arguments that are left out change nothing. A change raises the revision.

    Issued certificates stay as they are. A change to ``self-signed`` drops the authority.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: the result would be unusable; everything wrong is listed.
        NotFound: the profile has been deleted meanwhile.
    """
    principal.require_governance()
    with transaction.atomic():
        fresh = _locked(profile)
        kind = issuer_type or fresh.issuer_type
        becomes_self_signed = issuer_type == IssuerType.SELF_SIGNED and authority is None
        parts = _Parts(
            kind,
            None if becomes_self_signed else authority or fresh.authority,
            policy or fresh.policy,
            fresh.defaults if defaults is None else defaults,
        )
        read, found = _checked(parts, against_policy=defaults is not None or policy is not None)
        # A profile that has a revoked authority already may still be described, or deleted.
        chosen = None if parts.authority == fresh.authority else parts.authority
        found += _revoked_violations(chosen)
        found += [*description_violations(description or ""), *_csr_violations(csr or {})]
        if read is None or found:
            raise InvalidInput(found)
        before = _state(fresh)
        fresh.issuer_type = kind
        fresh.authority = parts.authority
        fresh.policy = parts.policy
        fresh.defaults = read.document
        for setting, choice in (csr or {}).items():
            setattr(fresh, setting, choice)
        if description is not None:
            fresh.description = description
        if _state(fresh) != before:
            fresh.revision += 1
            fresh.save()
            record(
                Event.PROFILE_UPDATED,
                principal=principal,
                subject=fresh,
                revision=fresh.revision,
                description=fresh.description,
                **_recorded(parts, read),
                **_csr_recorded(fresh),
            )
    return fresh


def delete_profile(principal: Principal, profile: Profile) -> None:
    """Delete a profile that nothing uses or has used.

    Raises:
        AccessDenied: not a product administrator.
        InUse: applications use it (they are listed), or certificates refer to it.
        NotFound: it has been deleted meanwhile.
    """
    principal.require_governance()
    with transaction.atomic():
        fresh = _locked(profile)
        users = list(
            fresh.pairings.order_by("application__name").values_list("application__name", flat=True)
        )
        if users:
            raise InUse(f"The profile {fresh.name} is used by applications", users)
        record(Event.PROFILE_DELETED, principal=principal, subject=fresh)
        try:
            fresh.delete()
        except ProtectedError as error:
            kinds = [f"{len(error.protected_objects)} requests and certificates"]
            raise InUse(f"The profile {fresh.name} is on record with", kinds) from error


@dataclass(frozen=True, slots=True)
class _Parts:
    """Properties of a profile before they are checked."""

    issuer_type: str
    authority: Authority | None
    policy: Policy
    defaults: dict[str, Any]


def _checked(
    parts: _Parts, *, against_policy: bool = True
) -> tuple[Defaults | None, list[Violation]]:
    """Return the parsed defaults, and all violations.

    Args:
        parts: of the profile.
        against_policy: whether defaults or policy are being changed. Otherwise a policy that was
            tightened meanwhile must not keep anybody from changing the rest.
    """
    found = _issuer_violations(parts)
    try:
        read = parse_defaults(parts.defaults)
    except InvalidInput as error:
        return None, [*found, *error.violations]
    found += _signature_violations(parts, read)
    version = parts.policy.current_version
    if version is not None and against_policy:
        found += violations_against(read, policy_selectors.rules_of(version))
    return read, found


def _issuer_violations(parts: _Parts) -> list[Violation]:
    """Check that a profile has an authority if and only if one signs."""
    if parts.issuer_type not in IssuerType.values:
        known = f"One of: {', '.join(IssuerType.values)}."
        reason = "There is no such kind of issuer."
        return [
            Violation("profile.issuer_unknown", "issuer_type", parts.issuer_type, reason, known)
        ]
    signs_itself = parts.issuer_type == IssuerType.SELF_SIGNED
    if signs_itself and parts.authority is not None:
        reason = "A self-signed profile has no authority."
        hint = "Leave the authority out."
        return [Violation("profile.authority_set", "authority", parts.authority.name, reason, hint)]
    if not signs_itself and parts.authority is None:
        reason = "The profile needs an authority that signs."
        hint = "Choose an authority, or the issuer type self-signed."
        return [Violation("profile.authority_missing", "authority", "", reason, hint)]
    return []


def _revoked_violations(authority: Authority | None) -> list[Violation]:
    """Check that an authority that is being chosen may issue again: revocation is for good."""
    if authority is None or authority.state != AuthorityState.REVOKED:
        return []
    reason = "The authority has been revoked and issues nothing any more."
    hint = "Choose another authority."
    return [Violation("profile.authority_revoked", "authority", authority.name, reason, hint)]


def _csr_violations(csr: Mapping[str, str]) -> list[Violation]:
    """Check that each setting is known and has one of its choices."""
    reason = "This setting has no such choice."
    return [
        Violation(
            "profile.csr_setting",
            name,
            str(choice)[:100],
            reason,
            f"One of: {', '.join(CSR_SETTINGS[name].values)}.",
        )
        for name, choice in csr.items()
        if choice not in CSR_SETTINGS[name].values
    ]


def _signature_violations(parts: _Parts, read: Defaults) -> list[Violation]:
    """Check that the default signature is one that the signing key can make."""
    if read.signature_algorithm is None:
        return []
    possible = _signatures(parts.authority, read)
    if possible is None or read.signature_algorithm in possible:
        return []
    return [
        Violation(
            "profile.signature_algorithm_not_of_issuer",
            "defaults.signature_algorithm",
            read.signature_algorithm.value,
            "The issuer's key cannot make this signature.",
            f"One of: {', '.join(possible)}; or leave it out.",
        )
    ]


def _signatures(
    authority: Authority | None, read: Defaults
) -> tuple[SignatureAlgorithm, ...] | None:
    """Return the signatures of the signing key, ``None`` when that key is not known yet."""
    if authority is not None:
        return signature_algorithms_of(KeyAlgorithm(authority.key.algorithm))
    return signature_algorithms_of(read.key_algorithm) if read.key_algorithm else None


def _recorded(parts: _Parts, read: Defaults) -> dict[str, Any]:
    """Return the properties that the audit log records."""
    return {
        "issuer_type": str(parts.issuer_type),
        "authority": parts.authority.name if parts.authority is not None else "",
        "policy": parts.policy.name,
        "defaults": read.document,
    }


def _csr_recorded(profile: Profile) -> dict[str, Any]:
    return {name: str(getattr(profile, name)) for name in CSR_SETTINGS}


def _state(profile: Profile) -> tuple[object, ...]:
    """Return everything whose change makes a new revision."""
    return (
        profile.description,
        profile.issuer_type,
        profile.authority_id,
        profile.policy_id,
        profile.defaults,
        *_csr_recorded(profile).values(),
    )


def _locked(profile: Profile) -> Profile:
    """Return the row as it stands now, locked until the transaction ends."""
    try:
        return (
            Profile.objects.select_for_update(of=("self",))
            .select_related("authority__key", "policy__current_version")
            .get(pk=profile.pk)
        )
    except Profile.DoesNotExist:
        raise NotFound("There is no such profile.") from None
