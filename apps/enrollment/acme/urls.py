"""URLs of ACME endpoints: ``/acme/<application>/<profile>/...``."""

from django.urls import include, path

from apps.enrollment.acme import views

app_name = "acme"
# Django tries them in this order: what clients request most comes first.
_resources = [
    path("authz/<str:url_id>", views.authorization),
    path("order/<str:url_id>", views.order),
    path("chall/<str:url_id>", views.challenge),
    path("new-order", views.new_order),
    path("order/<str:url_id>/finalize", views.finalize_order),
    path("cert/<str:url_id>", views.certificate),
    path("new-account", views.new_account),
    path("new-nonce", views.new_nonce),
    path("directory", views.directory),
    path("renewal-info/<str:certificate_id>", views.renewal_info),
    path("acct/<str:url_id>", views.account),
    path("acct/<str:url_id>/orders", views.account_orders),
    path("new-authz", views.new_authz),
    path("revoke-cert", views.revoke_certificate),
    path("key-change", views.change_key),
    path("limits", views.limits_page),
    path("cert/<str:url_id>/<int:number>", views.certificate),
    path("", views.not_found),
    path("<path:rest>", views.not_found),
]
urlpatterns = [path("<slug:application>/<slug:profile>/", include(_resources))]
