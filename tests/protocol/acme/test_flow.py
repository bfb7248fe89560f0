"""Test of a whole order, from the account to the certificate."""

import pytest
from cryptography import x509

from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.models import AcmeOrder

pytestmark = pytest.mark.django_db


def test_from_account_to_certificate(trusted, team):
    order = trusted.issue("www.example.com", "example.com").json()

    assert order["status"] == "valid"
    answer = trusted.post(order["certificate"])
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/pem-certificate-chain"
    chain = x509.load_pem_x509_certificates(answer.content)
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["www.example.com", "example.com"]
    chain[0].verify_directly_issued_by(chain[1])

    row = AcmeOrder.objects.get()
    certificate = Certificate.objects.get()
    assert row.certificate == certificate
    assert CertificateRequest.objects.get().pk == row.pk
    assert certificate.application == team.application
    assert certificate.request.method == "acme"
