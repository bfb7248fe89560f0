"""URLs of profiles below ``/api/v1/``."""

from rest_framework.routers import SimpleRouter

from apps.profiles.api import views

router = SimpleRouter(use_regex_path=False)
router.register("profiles", views.ProfileViewSet, "profiles")
urlpatterns = router.urls
