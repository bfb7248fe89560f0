"""Do answers show each certificate with its own chain?"""

import ssl

from apps.enrollment.api import present


def test_chains_that_are_kept_do_not_mix():
    one, two = (b"issuer one", b"above"), (b"issuer two", b"above")
    for ders in (one, two, one, (), two[:1]):
        assert present.chain_pem(ders) == "".join(map(ssl.DER_cert_to_PEM_cert, ders))
