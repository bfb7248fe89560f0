"""Factories of people, as rows and as principals."""

from apps.accounts.models import AccountKind, User
from apps.principals import Principal, ProductRole

PASSWORD = "correct horse battery staple"


def make_person(name: str, *, role: ProductRole = ProductRole.MEMBER) -> User:
    """Return a person; administrators may enter the admin site."""
    governs = role == ProductRole.ADMIN
    return User.objects.create_user(
        username=name,
        email=f"{name}@example.test",
        password=PASSWORD,
        kind=AccountKind.PERSON,
        product_role=role.value,
        is_staff=governs,
        is_superuser=governs,
    )


def principal_for(user: User) -> Principal:
    """Return the principal that a session of this person has."""
    return Principal(
        kind="user" if user.kind == AccountKind.PERSON else "machine",
        id=str(user.pk),
        label=user.username,
        user_id=user.pk,
        product_role=ProductRole(user.product_role),
    )
