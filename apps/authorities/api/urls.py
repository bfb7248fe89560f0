"""URLs of the authority API."""

from rest_framework.routers import SimpleRouter

from apps.authorities.api import views

router = SimpleRouter(use_regex_path=False)
router.register("authorities", views.AuthorityViewSet, "authorities")
router.register("authorities/<slug:reference>/crls", views.CrlViewSet, "authorities_crls")
urlpatterns = router.urls
