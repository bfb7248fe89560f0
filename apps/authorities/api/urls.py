"""URLs of the authority API."""

from rest_framework.routers import SimpleRouter

from apps.authorities.api import views

router = SimpleRouter(use_regex_path=False)
router.register("authorities", views.AuthorityViewSet, "authorities")
router.register("authorities/<slug:reference>/crls", views.CrlViewSet, "authorities_crls")
router.register("pki-urls", views.PkiUrlViewSet, "pki_urls")
urlpatterns = router.urls
