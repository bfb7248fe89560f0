"""URLs of the authority API."""

from django.urls import path

from apps.authorities.api import views

_ONE = "authorities/<slug:reference>/"

urlpatterns = [
    path("authorities/", views.AuthoritiesView.as_view()),
    path(_ONE, views.AuthorityView.as_view()),
    path(f"{_ONE}disable/", views.DisableAuthorityView.as_view()),
    path(f"{_ONE}enable/", views.EnableAuthorityView.as_view()),
    path(f"{_ONE}renew/", views.RenewAuthorityView.as_view()),
    path(f"{_ONE}install-certificate/", views.InstallCertificateView.as_view()),
    path(f"{_ONE}csr/", views.AuthorityCsrView.as_view()),
    path(f"{_ONE}crls/", views.CrlsView.as_view()),
    path(f"{_ONE}publish-crl/", views.PublishCrlView.as_view()),
]
