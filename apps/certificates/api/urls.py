"""URLs of the inventory below ``/api/v1/``."""

from rest_framework.routers import SimpleRouter

from apps.certificates.api import views

router = SimpleRouter(use_regex_path=False)
router.register("certificates", views.CertificateViewSet, "certificates")
urlpatterns = router.urls
