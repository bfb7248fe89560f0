"""URL patterns of the management API of ACME."""

from rest_framework.routers import SimpleRouter

from apps.enrollment.acme.api import views

_ACME = "applications/<slug:reference>/acme"

router = SimpleRouter(use_regex_path=False)
router.register(f"{_ACME}/endpoints", views.AcmeEndpointViewSet, "acme_endpoints")
router.register(f"{_ACME}/endpoints/<slug:profile>/eab-keys", views.EabKeyViewSet, "acme_eab_keys")
router.register(f"{_ACME}/accounts", views.AcmeAccountViewSet, "acme_accounts")
router.register(f"{_ACME}/orders", views.AcmeOrderViewSet, "acme_orders")
router.register(f"{_ACME}/failing", views.FailingClientViewSet, "acme_failing")
urlpatterns = router.urls
