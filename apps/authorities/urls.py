"""URLs of public, signed files: CA certificates, CRLs and OCSP responses, without sign-in."""

from django.urls import path

from apps.authorities import views

app_name = "authorities"
urlpatterns = [
    path("pki/", views.index, name="index"),
    path("pki/index.txt", views.index_text, name="index-text"),
    path("pki/<slug:name>/ca.cer", views.certificate_der, name="certificate"),
    path("pki/<slug:name>/ca.pem", views.certificate_pem, name="certificate-pem"),
    path("pki/<slug:name>/ca.p7b", views.chain_p7b, name="chain-p7b"),
    path("pki/<slug:name>/chain.pem", views.chain_pem, name="chain-pem"),
    path("pki/<slug:name>/crl", views.crl_der, name="crl"),
    path("pki/<slug:name>/ca.crl", views.crl_der, name="crl-der"),
    path("pki/<slug:name>/crl.pem", views.crl_pem, name="crl-pem"),
    path("ocsp/<slug:name>", views.ocsp_post, name="ocsp"),
    path("ocsp/<slug:name>/", views.ocsp_post, name="ocsp-slash"),
    path("ocsp/<slug:name>/<path:encoded>", views.ocsp_get, name="ocsp-get"),
]
