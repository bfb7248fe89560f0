"""Verdicts on name constraints: ours, OpenSSL's and Go's, on the same paths (RFC 5280 4.2.1.10).

Where a verdict differs, ours is the stricter one. OpenSSL compares the local part of an excluded mailbox
with its case, and overlooks an excluded host behind a wildcard, a final dot or a user. Go compares
hosts of mailboxes and URIs like DNS names, and passes over subjects and SmtpUTF8Mailbox; it is asked
where it is installed.
"""

import base64
import ipaddress
import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki import chain
from tests.interop.judges import run
from tests.programs import find_program
from tests.unit.pki.paths import OTHER, SMTP_UTF8, constraints, name, path, subtree
from tests.unit.pki.samples import NOW

DNS, MAIL, URI = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier


def NET(text: str) -> x509.IPAddress:  # noqa: N802 - reads like the types beside it
    return x509.IPAddress(ipaddress.ip_network(text))


def IP(text: str) -> x509.IPAddress:  # noqa: N802 - as above
    return x509.IPAddress(ipaddress.ip_address(text))


def DIR(*pairs: tuple[str, str]) -> x509.DirectoryName:  # noqa: N802 - as above
    return x509.DirectoryName(name(*pairs))


UPN = x509.OtherName(OTHER, b"\x0c\x05a@b.c")
OTHER_OID = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x01x")
REGISTERED = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
EXAMPLE = ("O", "Example")


def utf8_mailbox(text: str) -> x509.OtherName:
    octets = text.encode()
    return x509.OtherName(SMTP_UTF8, bytes((0x0C, len(octets))) + octets)


MINIMUM, MAXIMUM = b"\x80\x01\x02", b"\x81\x01\x05"
X400 = b"\x30\x04\xa3\x02\x30\x00"
WILDCARD = b"\x30\x0f\x82\x0d*.example.com"
OK, NO = True, False
# Permitted, excluded, alternative names, subject (None for one that is no host), and the verdicts:
# ours, OpenSSL's, Go's. Go refuses extensions with other types as a whole (None).
CASES = {
    "dns inside": ([DNS("example.com")], None, [DNS("www.example.com")], None, OK, OK, OK),
    "dns outside": ([DNS("example.com")], None, [DNS("www.example.net")], None, NO, NO, NO),
    "dns lookalike": ([DNS("example.com")], None, [DNS("badexample.com")], None, NO, NO, NO),
    "dns in capitals": ([DNS("Example.COM")], None, [DNS("WWW.example.com")], None, OK, OK, OK),
    "dns excluded in capitals": (None, [DNS("example.com")], [DNS("WWW.EXAMPLE.COM")], None, NO, NO, NO),
    "dns all excluded": (None, [DNS("")], [DNS("example.com")], None, NO, NO, NO),
    "dns below a dot": ([DNS(".example.com")], None, [DNS("www.example.com")], None, OK, OK, OK),
    "dns at a dot": ([DNS(".example.com")], None, [DNS("example.com")], None, NO, NO, NO),
    "dns wildcard below": ([DNS("example.com")], None, [DNS("*.example.com")], None, OK, OK, OK),
    "dns wildcard over an excluded host": (None, [DNS("a.example.com")], [DNS("*.example.com")], None, NO, OK, NO),
    "dns with a final dot": (None, [DNS("example.com")], [DNS("example.com.")], None, NO, OK, NO),
    "dns unreadable base": ([WILDCARD], None, [DNS("www.example.com")], None, NO, NO, NO),
    "dns of another type": ([DNS("example.com")], None, [MAIL("a@example.net")], None, OK, OK, OK),
    "ip inside": ([NET("10.0.0.0/8")], None, [IP("10.1.2.3")], None, OK, OK, OK),
    "ip outside": ([NET("10.0.0.0/8")], None, [IP("11.1.2.3")], None, NO, NO, NO),
    "ip of the other version": ([NET("10.0.0.0/8")], None, [IP("2001:db8::1")], None, NO, NO, NO),
    "ip excluded": (None, [NET("2001:db8::/32")], [IP("2001:db8::1")], None, NO, NO, NO),
    "email host": ([MAIL("example.com")], None, [MAIL("a@EXAMPLE.com")], None, OK, OK, OK),
    "email below the host": ([MAIL("example.com")], None, [MAIL("a@m.example.com")], None, NO, NO, OK),
    "email domain": ([MAIL(".example.com")], None, [MAIL("a@m.example.com")], None, OK, OK, OK),
    "email mailbox": ([MAIL("a@example.com")], None, [MAIL("a@example.com")], None, OK, OK, OK),
    "email mailbox in capitals": ([MAIL("a@example.com")], None, [MAIL("A@example.com")], None, NO, NO, NO),
    "email excluded mailbox": (None, [MAIL("a@example.com")], [MAIL("a@EXAMPLE.com")], None, NO, NO, NO),
    "email excluded mailbox in capitals": (None, [MAIL("a@example.com")], [MAIL("A@example.com")], None, NO, OK, OK),
    "email excluded mailbox in quotes": (None, [MAIL("a@example.com")], [MAIL('"a"@example.com')], None, NO, OK, NO),
    "email without at": (None, [MAIL("example.com")], [MAIL("example.com")], None, NO, NO, NO),
    "email in the subject": ([MAIL("example.com")], None, [], name(("E", "a@example.net")), NO, NO, OK),
    "email utf8 outside": ([MAIL("example.com")], None, [utf8_mailbox("ü@example.net")], None, NO, NO, OK),
    "email utf8 inside": ([MAIL("example.com")], None, [utf8_mailbox("ü@example.com")], None, OK, OK, OK),
    "uri host": ([URI("example.com")], None, [URI("https://example.com/a")], None, OK, OK, OK),
    "uri below the host": ([URI("example.com")], None, [URI("https://www.example.com/")], None, NO, NO, OK),
    "uri domain": ([URI(".example.com")], None, [URI("https://WWW.example.com:8443/")], None, OK, OK, OK),
    "uri of an address": (None, [URI("example.com")], [URI("https://192.0.2.1/")], None, NO, OK, NO),
    "uri without host": ([URI("example.com")], None, [URI("urn:a:b")], None, NO, NO, NO),
    "uri with a user": (None, [URI("example.com")], [URI("https://a.b:c@example.com/")], None, NO, OK, NO),
    "directory subject inside": ([DIR(EXAMPLE)], None, [], name(EXAMPLE, ("CN", "x")), OK, OK, None),
    "directory subject outside": ([DIR(EXAMPLE)], None, [], name(("O", "Other"), ("CN", "x")), NO, NO, None),
    "directory in another case": ([DIR(("O", "EXAMPLE"))], None, [], name(("O", "example "), ("CN", "x")), OK, OK, None),
    "directory excluded": (None, [DIR(EXAMPLE)], [], name(("O", "EXAMPLE"), ("CN", "x")), NO, NO, None),
    "directory alternative name": ([DIR(EXAMPLE)], None, [DIR(("O", "Other"))], name(EXAMPLE), NO, NO, None),
    "directory excluded alternative name": (None, [DIR(EXAMPLE)], [DIR(EXAMPLE, ("CN", "x"))], None, NO, NO, None),
    "directory empty base": ([DIR()], None, [], name(("O", "Other")), OK, OK, None),
    "other name permitted": ([UPN], None, [UPN], None, NO, NO, None),
    "other name excluded": (None, [UPN], [UPN], None, NO, NO, None),
    "other name of another type": (None, [UPN], [OTHER_OID], None, OK, OK, None),
    "other name not present": (None, [UPN], [DNS("example.com")], None, OK, OK, None),
    "registered id permitted": ([REGISTERED], None, [REGISTERED], None, NO, NO, None),
    "registered id excluded": (None, [REGISTERED], [REGISTERED], None, NO, NO, None),
    "registered id not present": (None, [REGISTERED], [DNS("example.com")], None, OK, OK, None),
    "minimum": ([subtree(DNS("example.com"), MINIMUM)], None, [DNS("www.example.com")], None, NO, NO, None),
    "maximum": (None, [subtree(DNS("example.com"), MAXIMUM)], [DNS("example.net")], None, NO, NO, None),
    "minimum of an absent type": ([subtree(DNS("a.com"), MINIMUM)], None, [MAIL("a@b.c")], None, OK, OK, None),
    "x400 constraint": (None, [X400], [DNS("example.com")], None, NO, OK, None),
    "common name that is a host": ([DNS("example.com")], None, [], name(("CN", "a.example.net")), NO, NO, OK),
    "common name with an underscore": ([DNS("example.com")], None, [], name(("CN", "a_b.example.net")), NO, NO, OK),
    "common name that is none": ([DNS("example.com")], None, [], name(("CN", "Team")), OK, OK, OK),
}  # fmt: skip


def path_of(case: str) -> list[x509.Certificate]:
    permitted, excluded, alt_names, subject, *_ = CASES[case]
    sides = [
        side and [one if isinstance(one, bytes) else subtree(one) for one in side]
        for side in (permitted, excluded)
    ]
    return path(constraints(*sides), alt_names, subject)


def ours(case: str) -> bool:
    return not chain.verify_path(path_of(case), at=NOW)


@pytest.mark.program("openssl")
@pytest.mark.parametrize("case", CASES)
def test_our_verdict_and_that_of_openssl(case, tmp_path):
    files = []
    for number, certificate in enumerate(path_of(case)):
        files.append(tmp_path / f"{number}.pem")
        files[-1].write_bytes(certificate.public_bytes(Encoding.PEM))
    at = str(int(NOW.timestamp()))
    said = run("openssl", "verify", "-attime", at, "-CAfile", files[2], "-untrusted", files[1],
               files[0], check=False)  # fmt: skip
    assert (ours(case), said.endswith(": OK\n")) == CASES[case][4:6], said


@pytest.mark.skipif(find_program("go") is None, reason="Go is not installed; nothing installs it")
def test_our_verdict_and_that_of_go(tmp_path):
    compared = [case for case in CASES if CASES[case][6] is not None]
    paths = [
        [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in path_of(case)]
        for case in compared
    ]
    done = subprocess.run(
        ["go", "run", str(Path(__file__).with_name("verify_paths.go"))],
        input=json.dumps({"At": int(NOW.timestamp()), "Paths": paths}),
        env=os.environ | {"GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod"},
        capture_output=True,
        check=True,
        text=True,
        timeout=300,
    )
    said = dict(zip(compared, json.loads(done.stdout), strict=True))
    found = {case: (ours(case), not said[case]) for case in compared}
    wanted = {case: (CASES[case][4], CASES[case][6]) for case in compared}
    assert found == wanted, said
