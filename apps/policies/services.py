"""Services that create, change and delete policies; a change makes a new version."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AlreadyExists, InUse, InvalidInput, NotFound
from apps.policies.models import Policy, PolicyVersion
from apps.policies.rules import Rules, parse_rules
from apps.policies.slugs import description_violations, naming_violations
from apps.principals import Principal
from pki.addresses import quoted
from pki.findings import Violation


def create_policy(
    principal: Principal, *, name: str, description: str = "", rules: dict[str, Any]
) -> Policy:
    """Create a policy with its first version; the rules are stored in canonical form.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: name or rules are unusable; everything wrong is listed.
        AlreadyExists: the name is taken.
    """
    principal.require_governance()
    compiled, found = _compiled(rules)
    found = [*naming_violations(name, description), *found]
    if compiled is None or found:
        raise InvalidInput(found)
    try:
        with transaction.atomic():
            policy = Policy.objects.create(name=name, description=description)
            _add_version(principal, policy, 1, compiled)
            record(
                Event.POLICY_CREATED,
                principal=principal,
                subject=policy,
                version=1,
                rules=compiled.document,
            )
    except IntegrityError as error:
        if Policy.objects.filter(name=name).exists():
            raise AlreadyExists(f"There is a policy {quoted(name)} already.") from error
        raise
    return policy


def update_policy(
    principal: Principal,
    policy: Policy,
    *,
    description: str | None = None,
    rules: dict[str, Any] | None = None,
) -> Policy:
    """Change a policy; changed rules become a new version, in force for all profiles immediately.

    Certificates keep the reference to the version under which they were issued. Arguments that
    are left out or unchanged have no effect.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: description or rules are unusable; everything wrong is listed.
        NotFound: the policy has been deleted meanwhile.
    """
    principal.require_governance()
    compiled, found = _compiled(rules) if rules is not None else (None, [])
    found += description_violations(description or "")
    if found:
        raise InvalidInput(found)
    with transaction.atomic():
        fresh = _locked(policy)
        changes: dict[str, Any] = {}
        current = fresh.current_version
        if compiled is not None and (current is None or current.rules != compiled.document):
            number = current.number + 1 if current is not None else 1
            _add_version(principal, fresh, number, compiled)
            changes |= {"version": number, "rules": compiled.document}
        if description is not None and description != fresh.description:
            fresh.description = description
            fresh.save(update_fields=["description"])
            changes["description"] = description
        if changes:
            record(Event.POLICY_UPDATED, principal=principal, subject=fresh, **changes)
    return fresh


def delete_policy(principal: Principal, policy: Policy) -> None:
    """Delete a policy that nothing uses or has used.

    Raises:
        AccessDenied: not a product administrator.
        InUse: profiles use it (they are listed), or certificates refer to it.
        NotFound: it has been deleted meanwhile.
    """
    principal.require_governance()
    with transaction.atomic():
        fresh = _locked(policy)
        users = list(fresh.profiles.order_by("name").values_list("name", flat=True))
        if users:
            raise InUse(f"The policy {fresh.name} is used by profiles", users)
        record(Event.POLICY_DELETED, principal=principal, subject=fresh)
        fresh.current_version = None
        fresh.save(update_fields=["current_version"])
        try:
            fresh.versions.all().delete()
            fresh.delete()
        except ProtectedError as error:
            users = [f"{len(error.protected_objects)} requests and certificates"]
            raise InUse(f"The policy {fresh.name} is on record with", users) from error


def _compiled(rules: dict[str, Any]) -> tuple[Rules | None, list[Violation]]:
    """Return the compiled rules, or what is wrong with them."""
    try:
        return parse_rules(rules), []
    except InvalidInput as error:
        return None, list(error.violations)


def _locked(policy: Policy) -> Policy:
    """Return the row as it stands now, locked until the transaction ends."""
    try:
        return (
            Policy.objects.select_for_update(of=("self",))
            .select_related("current_version")
            .get(pk=policy.pk)
        )
    except Policy.DoesNotExist:
        raise NotFound("There is no such policy.") from None


def _add_version(principal: Principal, policy: Policy, number: int, rules: Rules) -> None:
    policy.current_version = PolicyVersion.objects.create(
        policy=policy, number=number, rules=rules.document, created_by=principal.actor[:200]
    )
    policy.save(update_fields=["current_version"])
