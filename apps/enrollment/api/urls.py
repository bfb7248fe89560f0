"""URLs of certificate requests below ``/api/v1/``."""

from rest_framework.routers import SimpleRouter

from apps.enrollment.api import bulk_views, views

router = SimpleRouter(use_regex_path=False)
router.register("certificate-requests/bulk", bulk_views.BulkViewSet, "certificate_requests_bulk")
router.register("certificate-requests", views.CertificateRequestViewSet, "certificate_requests")
urlpatterns = router.urls
