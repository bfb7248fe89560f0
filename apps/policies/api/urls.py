"""URLs of policies below ``/api/v1/``."""

from rest_framework.routers import SimpleRouter

from apps.policies.api import views

router = SimpleRouter(use_regex_path=False)
router.register("policy-presets", views.PolicyPresetViewSet, "policy_presets")
router.register("policies", views.PolicyViewSet, "policies")
router.register(
    "policies/<slug:reference>/versions", views.PolicyVersionViewSet, "policies_versions"
)
urlpatterns = router.urls
