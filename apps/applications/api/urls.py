"""URLs of applications, members, machines and tokens below ``/api/v1/``."""

from django.urls import path

from apps.applications.api.views import applications, machines, members, profiles, tokens

_APPLICATION = "applications/<slug:reference>/"
_MACHINE = "machine-identities/<slug:reference>/"
_TOKEN = "tokens/<uuid:token_id>/"  # noqa: S105 - a path, not a password

urlpatterns = [
    path("applications/", applications.ApplicationsView.as_view()),
    path(_APPLICATION, applications.ApplicationView.as_view()),
    path(f"{_APPLICATION}members/", members.MembersView.as_view()),
    path(f"{_APPLICATION}members/bulk/", members.BulkMembersView.as_view()),
    path(f"{_APPLICATION}members/<uuid:member_id>/", members.MemberView.as_view()),
    path(f"{_APPLICATION}profiles/", profiles.AttachedProfilesView.as_view()),
    path(f"{_APPLICATION}profiles/<slug:profile>/", profiles.AttachedProfileView.as_view()),
    path("machine-identities/", machines.MachineIdentitiesView.as_view()),
    path(_MACHINE, machines.MachineIdentityView.as_view()),
    path(f"{_MACHINE}disable/", machines.DisableMachineIdentityView.as_view()),
    path(f"{_MACHINE}enable/", machines.EnableMachineIdentityView.as_view()),
    path("tokens/", tokens.TokensView.as_view()),
    path(_TOKEN, tokens.TokenView.as_view()),
    path(f"{_TOKEN}revoke/", tokens.RevokeTokenView.as_view()),
]
