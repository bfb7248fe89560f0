"""URL patterns of the management API of ACME."""

from django.urls import path

from apps.enrollment.acme.api import views

_ACME = "applications/<slug:reference>/acme/"
_ENDPOINT = f"{_ACME}endpoints/<slug:profile>/"
_KEY = f"{_ENDPOINT}eab-keys/<uuid:key_id>/"
_ACCOUNT = f"{_ACME}accounts/<uuid:account_id>/"

urlpatterns = [
    path(f"{_ACME}endpoints/", views.AcmeEndpointsView.as_view()),
    path(_ENDPOINT, views.AcmeEndpointView.as_view()),
    path(f"{_ENDPOINT}eab-keys/", views.EabKeysView.as_view()),
    path(_KEY, views.EabKeyView.as_view()),
    path(f"{_KEY}reveal/", views.RevealEabKeyView.as_view()),
    path(f"{_KEY}rotate/", views.RotateEabKeyView.as_view()),
    path(f"{_KEY}revoke/", views.RevokeEabKeyView.as_view()),
    path(f"{_ACME}accounts/", views.AcmeAccountsView.as_view()),
    path(_ACCOUNT, views.AcmeAccountView.as_view()),
    path(f"{_ACCOUNT}revoke/", views.RevokeAcmeAccountView.as_view()),
    path(f"{_ACME}orders/", views.AcmeOrdersView.as_view()),
    path(f"{_ACME}orders/<uuid:order_id>/", views.AcmeOrderView.as_view()),
    path(f"{_ACME}failing/", views.FailingClientsView.as_view()),
]
