"""Services for the accounts of people: creation, passwords, product roles, disabling.

Services for machine identities are in ``apps.applications.services``.
"""

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from apps.accounts.models import AccountKind, User
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AccessDenied, AlreadyExists, InvalidInput, InvalidTransition
from apps.principals import Principal, ProductRole
from pki.findings import Violation

_MAX_USERNAME = 150


def create_person(
    principal: Principal,
    *,
    username: str,
    password: str,
    email: str = "",
    product_role: ProductRole = ProductRole.MEMBER,
) -> User:
    """Create a person who signs in with a password.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: name, address or password is unusable; all violations are listed.
        AlreadyExists: the user name is taken; upper and lower case are the same.
    """
    principal.require_governance()
    user = User(
        # NFKC, so that two names that look the same cannot be two people.
        username=User.normalize_username(username),
        email=User.objects.normalize_email(email),
        kind=AccountKind.PERSON,
    )
    _give_role(user, product_role)
    violations = [*_identity_violations(user), *_password_violations(password, user)]
    if violations:
        raise InvalidInput(violations)
    taken = f"An account named '{user.username}' exists already."
    if User.objects.filter(username__iexact=user.username).exists():
        raise AlreadyExists(taken)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            record(
                Event.ACCOUNT_CREATED,
                principal=principal,
                subject=user,
                product_role=product_role.value,
            )
    except IntegrityError as exc:
        raise AlreadyExists(taken) from exc
    return user


def set_password(principal: Principal, user: User, password: str) -> None:
    """Give a person a new password; all their sessions end.

    Raises:
        AccessDenied: neither a product administrator nor the person, or the token lacks
            the scope ``manage``.
        InvalidTransition: machine identities have no password.
        InvalidInput: the password is unusable; everything wrong is listed.
    """
    _require_self_or_governance(principal, user)
    if user.kind != AccountKind.PERSON:
        raise InvalidTransition("Machine identities have no password.")
    violations = _password_violations(password, user)
    if violations:
        raise InvalidInput(violations)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        record(Event.ACCOUNT_UPDATED, principal=principal, subject=user, changed=["password"])


def change_product_role(principal: Principal, user: User, role: ProductRole) -> None:
    """Make a person an administrator of the product, or a plain member.

    Raises:
        AccessDenied: not a product administrator, or it is one's own role.
        InvalidTransition: a machine identity, or the last administrator.
    """
    principal.require_governance()
    _refuse_own(principal, user)
    if user.kind != AccountKind.PERSON:
        raise InvalidTransition("Machine identities do not govern the product.")
    with transaction.atomic():
        _keep_one_administrator(user, stays=role == ProductRole.ADMIN)
        before = user.product_role
        _give_role(user, role)
        user.save(update_fields=["product_role", "is_staff", "is_superuser"])
        record(
            Event.ACCOUNT_UPDATED,
            principal=principal,
            subject=user,
            before={"product_role": before},
            after={"product_role": role.value},
        )


def disable_person(principal: Principal, user: User) -> None:
    """Refuse a person's sessions and tokens from the next request on.

    Raises:
        AccessDenied: not a product administrator, or oneself.
        InvalidTransition: the last administrator.
    """
    principal.require_governance()
    _refuse_own(principal, user)
    with transaction.atomic():
        _keep_one_administrator(user, stays=False)
        _set_active(principal, user, active=False)


def enable_person(principal: Principal, user: User) -> None:
    """Enable a disabled person.

    Raises:
        AccessDenied: not a product administrator.
    """
    principal.require_governance()
    with transaction.atomic():
        _set_active(principal, user, active=True)


def _give_role(user: User, role: ProductRole) -> None:
    """Set the role, and the two flags that Django's admin checks."""
    user.product_role = role.value
    user.is_staff = user.is_superuser = role == ProductRole.ADMIN


def _set_active(principal: Principal, user: User, *, active: bool) -> None:
    user.is_active = active
    user.save(update_fields=["is_active"])
    event = Event.ACCOUNT_UPDATED if active else Event.ACCOUNT_DISABLED
    record(event, principal=principal, subject=user, active=active)


def _refuse_own(principal: Principal, user: User) -> None:
    if principal.user_id == user.pk:
        raise AccessDenied("You cannot do this to your own account; ask another administrator.")


def _require_self_or_governance(principal: Principal, user: User) -> None:
    own_session = principal.user_id == user.pk and principal.scopes is None
    if not own_session:
        principal.require_governance()


def _keep_one_administrator(user: User, *, stays: bool) -> None:
    """Refuse to remove the last administrator, also when two are removed in parallel."""
    administrators = User.objects.select_for_update().filter(
        kind=AccountKind.PERSON, product_role=ProductRole.ADMIN.value, is_active=True
    )
    remaining = {row.pk for row in administrators} - ({user.pk} if not stays else set())
    if not remaining:
        raise InvalidTransition("This is the last administrator.")


def _identity_violations(user: User) -> list[Violation]:
    violations = []
    try:
        UnicodeUsernameValidator()(user.username)
        usable = 1 <= len(user.username) <= _MAX_USERNAME
    except ValidationError:
        usable = False
    if not usable:
        hint = f"1 to {_MAX_USERNAME} letters, digits and @ . + - _"
        reason = "The user name is unusable."
        violations.append(
            Violation("account.username", "username", user.username[:200], reason, hint)
        )
    try:
        if user.email:
            validate_email(user.email)
    except ValidationError:
        reason = "This is not an e-mail address."
        violations.append(Violation("account.email", "email", user.email[:200], reason))
    return violations


def _password_violations(password: str, user: User) -> list[Violation]:
    """Return the findings of Django's validators, never the password itself."""
    try:
        validate_password(password, user)
    except ValidationError as exc:
        return [
            Violation(f"account.{error.code}", "password", "", " ".join(error.messages))
            for error in exc.error_list
        ]
    return []
