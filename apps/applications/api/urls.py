"""URLs of applications, members, machines and tokens below ``/api/v1/``."""

from rest_framework.routers import SimpleRouter

from apps.applications.api.views import applications, machines, members, profiles, tokens

_OF_APPLICATION = "applications/<slug:reference>"

router = SimpleRouter(use_regex_path=False)
router.register("applications", applications.ApplicationViewSet, "applications")
router.register(f"{_OF_APPLICATION}/members", members.MemberViewSet, "applications_members")
router.register(
    f"{_OF_APPLICATION}/profiles", profiles.AttachedProfileViewSet, "applications_profiles"
)
router.register("machine-identities", machines.MachineIdentityViewSet, "machine_identities")
router.register("tokens", tokens.TokenViewSet, "tokens")
urlpatterns = router.urls
