"""URLs of the audit log below ``/api/v1/``."""

from rest_framework.routers import SimpleRouter

from apps.audit.api import views

router = SimpleRouter(use_regex_path=False)
router.register("audit-events", views.AuditEventViewSet, "audit_events")
urlpatterns = router.urls
