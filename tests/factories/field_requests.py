"""Certificate requests as programs and devices of the field write them, one for each kind.

Each kind says what has to become of it under the TLS server preset.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from pki.algorithms import KeyAlgorithm
from tests.factories.raw_requests import (
    BMP,
    CHALLENGE,
    CN,
    COUNTRY,
    ECDSA_SHA256,
    EMAIL,
    FALSE,
    HOST,
    HOST_NAME,
    IA5,
    LOCALITY,
    MS_REQUEST,
    NULL,
    NUMERIC,
    ORGANIZATION,
    PRINTABLE,
    PSS,
    PSS_SHA256,
    RSA_SHA256,
    SERIAL,
    SHA3_256,
    SHA256,
    STATE,
    T61,
    UNIT,
    UNSTRUCTURED,
    UTF8,
    alt_names,
    asked,
    name,
    named,
    oid,
    pem,
    pss_key_request,
    pss_parameters,
    purposes,
    rdns,
    request,
    usages,
)
from tests.unit.pki import der
from tests.unit.pki.samples import extension_request, raw_attribute, raw_extension


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request.

    Attributes:
        data: the file.
        issued: whether a certificate follows under the TLS server preset.
        codes: of the notes, or of the refusal.
        says: texts that have to stand in notes or refusal.
        names: of the order, over ACME; the alternative names of the certificate.
        subject: of the certificate, RFC 4514.
        acme: whether it is issued over ACME, where the subject does not count.
    """

    data: bytes
    issued: bool = True
    codes: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    names: tuple[str, ...] = (HOST,)
    subject: str = f"CN={HOST}"
    acme: bool | None = None


def refused(data: bytes, *codes: str, says: tuple[str, ...] = (), acme: bool | None = None) -> Kind:
    return Kind(data=data, issued=False, codes=codes, says=says, acme=acme)


_RSA_KEY = {"key": KeyAlgorithm.RSA_2048}
_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
_TEXT = b"Certificate Request:\n    Data:\n        Version: 1 (0x0)\n        Subject: CN = x\n"
_PLAIN = request()
# What ``str`` refuses to write (``sys.get_int_max_str_digits``).
_HUGE = 1 << 8 * 2040
_BOTH = alt_names()
_OTHER = alt_names(x509.DNSName("other.example.com"))
_UPN = der.encode(
    0xA0, oid("1.3.6.1.4.1.311.20.2.3"), der.encode(0xA0, der.encode(UTF8, b"user@example.com"))
)

KINDS: dict[str, Kind] = {
    # Encodings of the structure.
    "attributes out of order": Kind(
        data=request(
            extension_request(alt_names()), raw_attribute(CHALLENGE, der.encode(PRINTABLE, b"pw"))
        ),
        codes=("csr.attribute_ignored",),
        says=("challengePassword (1.2.840.113549.1.9.7)",),
    ),
    "attributes missing": refused(
        request(attributes_field=False), "csr.field_missing", says=("attributes",)
    ),
    "critical false written": Kind(
        data=request(
            extension_request(
                der.encode(
                    0x30,
                    oid("2.5.29.17"),
                    FALSE,
                    der.encode(4, der.encode(0x30, b"\x82\x10" + HOST.encode())),
                )
            )
        )
    ),
    "basic constraints false written": Kind(
        data=asked(raw_extension("2.5.29.19", b"\x30\x03" + FALSE))
    ),
    "basic constraints empty": Kind(data=asked(raw_extension("2.5.29.19", b"\x30\x00"))),
    "null in the signature algorithm": Kind(
        data=request(algorithm=der.encode(0x30, oid(ECDSA_SHA256), NULL))
    ),
    "no null in the signature algorithm": Kind(
        data=request(**_RSA_KEY, algorithm=der.encode(0x30, oid(RSA_SHA256)))
    ),
    "version 2": Kind(
        data=request(version=2), codes=("csr.version_ignored",), says=("The version number 2 was",)
    ),
    "version of thousands of digits": Kind(
        data=request(version=_HUGE), codes=("csr.version_ignored",)
    ),
    "key usage with zero bits at its end": Kind(data=asked(usages("030200a0"), **_RSA_KEY)),
    "DER with white space": Kind(data=_PLAIN + b"\r\n"),
    "DER with other bytes": refused(
        _PLAIN + b"\x00\x01\x02", "der.trailing_bytes", says=("3 bytes follow",)
    ),
    # Text around it (RFC 7468 section 2).
    "PEM": Kind(data=pem(_PLAIN)),
    "PEM with text before": Kind(data=_TEXT + pem(_PLAIN)),
    "PEM with text before that begins with 0": Kind(data=b"0 errors\n" + pem(_PLAIN)),
    "PEM with text after": Kind(data=pem(_PLAIN) + b"\nGreetings, M\xc3\xbcller\n"),
    "PEM with byte order mark": Kind(data=b"\xef\xbb\xbf" + pem(_PLAIN)),
    "PEM of certtool": Kind(
        data=b"PKCS #10 ...:\n\tVersion: 1\n\n" + pem(_PLAIN, "NEW CERTIFICATE REQUEST")
    ),
    "PEM indented, CR LF": Kind(
        data=b"".join(b"    " + line + b"\r\n" for line in pem(_PLAIN).splitlines())
    ),
    "PEM with white space in the DER": Kind(data=pem(_PLAIN + b"\n")),
    "PEM of a certificate": refused(
        pem(_PLAIN, "CERTIFICATE"), "csr.pem_label", says=("CERTIFICATE",)
    ),
    "PEM with a private key": refused(
        pem(_PLAIN, "PRIVATE KEY") + pem(_PLAIN), "csr.private_key", says=("Make a new key",)
    ),
    "PEM twice": refused(pem(_PLAIN) * 2, "csr.several_pem_blocks"),
    # Strings of the subject.
    "printable string with star": Kind(
        data=request(
            extension_request(alt_names(x509.DNSName(HOST))),
            subject=name((ORGANIZATION, PRINTABLE, b"*Star* & Co"), HOST_NAME),
        ),
        codes=("csr.name_reencoded",),
        subject=f"CN={HOST},O=*Star* & Co",
    ),
    "printable string with underscore": refused(
        named((ORGANIZATION, PRINTABLE, b"R&D_Dept")),
        "name.string_type",
        says=("organizationName (2.5.4.10)", "R&D_Dept", "PrintableString", "_"),
        acme=True,
    ),
    "printable string with at": refused(
        named((UNIT, PRINTABLE, b"a@b")),
        "name.string_type",
        says=("organizationalUnitName (2.5.4.11)", "a@b"),
        acme=True,
    ),
    "BMPString": Kind(
        data=named((ORGANIZATION, BMP, "Müller & Söhne".encode("utf-16-be"))),
        codes=("csr.name_reencoded",),
        says=("BMPString",),
        subject=f"CN={HOST},O=Müller & Söhne",
    ),
    "T61String": Kind(
        data=request(subject=name((ORGANIZATION, T61, b"M\xfcller AG"), (CN, T61, HOST.encode()))),
        codes=("csr.name_reencoded",),
        says=("T61String",),
        subject=f"CN={HOST},O=Müller AG",
    ),
    "NumericString": Kind(
        data=named((SERIAL, NUMERIC, b"12345")),
        codes=("csr.name_reencoded",),
        subject=f"CN={HOST},serialNumber=12345",
    ),
    "broken UTF-8": refused(
        named((ORGANIZATION, UTF8, b"M\xfcller")),
        "name.string_type",
        says=("organizationName (2.5.4.10)", "4dfc6c6c6572"),
        acme=True,
    ),
    "no string": refused(
        named((ORGANIZATION, 0x04, b"abc")), "name.string_type", says=("2.5.4.10",), acme=True
    ),
    "several attributes in one RDN": Kind(
        data=request(subject=rdns([(UNIT, UTF8, b"IT"), HOST_NAME])),
        codes=("csr.rdn_split",),
        says=("organizationalUnitName (2.5.4.11)",),
        subject=f"CN={HOST},OU=IT",
    ),
    "several organisations in one RDN": Kind(
        data=request(
            subject=rdns(
                [(ORGANIZATION, PRINTABLE, b"A"), (ORGANIZATION, PRINTABLE, b"B")],
                [HOST_NAME],
                [(SERIAL, PRINTABLE, b"42")],
            )
        ),
        codes=("csr.rdn_split",),
        subject=f"serialNumber=42,CN={HOST},O=B,O=A",
    ),
    "unstructured name": Kind(
        data=request(
            raw_attribute(CHALLENGE, der.encode(PRINTABLE, b"s3cret")),
            extension_request(usages()),
            subject=rdns([(SERIAL, PRINTABLE, b"FTX1"), (UNSTRUCTURED, IA5, b"r1")], [HOST_NAME]),
            **_RSA_KEY,
        ),
        codes=("csr.rdn_split", "csr.subject_attribute_ignored", "csr.attribute_ignored"),
        says=("unstructuredName (1.2.840.113549.1.9.2) = r1",),
        subject=f"CN={HOST},serialNumber=FTX1",
    ),
    "mail address in the subject": Kind(
        data=named((COUNTRY, PRINTABLE, b"DE"), (EMAIL, IA5, b"admin@example.com")),
        codes=("csr.subject_attribute_ignored",),
        says=("emailAddress (1.2.840.113549.1.9.1) = admin@example.com",),
        subject=f"CN={HOST},C=DE",
    ),
    "empty values": Kind(
        data=named(
            (COUNTRY, PRINTABLE, b""),
            (STATE, UTF8, b""),
            (LOCALITY, UTF8, b"  "),
            (ORGANIZATION, UTF8, b"Acme "),
        ),
        codes=("csr.name_repaired",),
        says=("countryName (2.5.4.6)", "stateOrProvinceName (2.5.4.8)"),
        subject=f"CN={HOST},O=Acme",
    ),
    "country in small letters": Kind(
        data=named((COUNTRY, PRINTABLE, b"de")),
        codes=("csr.name_repaired",),
        subject=f"CN={HOST},C=DE",
    ),
    "country that is none": refused(
        named((COUNTRY, PRINTABLE, b"Germany")),
        "name.too_long",
        says=("countryName (2.5.4.6) = Germany",),
        acme=True,
    ),
    "two common names": refused(
        request(subject=name(HOST_NAME, (CN, UTF8, b"b.example.com"))),
        "name.several_common_names",
        says=("commonName (2.5.4.3)", "host.example.com, b.example.com"),
    ),
    "NUL in the common name": refused(
        request(subject=name((CN, UTF8, b"host.example.com\0.evil.test"))),
        "name.invisible_character",
        says=("commonName (2.5.4.3)", "host.example.com\\u0000.evil.test"),
    ),
    "NUL in the organisation": refused(
        named((ORGANIZATION, UTF8, b"a\0b")),
        "name.invisible_character",
        says=("organizationName (2.5.4.10) = a\\u0000b",),
        acme=True,
    ),
    "NUL in an unknown attribute": Kind(
        data=named(("2.5.4.42", UTF8, b"A\0da")),
        codes=("csr.subject_attribute_ignored",),
        says=("givenName (2.5.4.42) = A\\u0000da",),
    ),
    # Extensions.
    "S/MIME capabilities": Kind(
        data=asked(
            usages("030204f0"),
            purposes(_SERVER_AUTH),
            raw_extension("1.2.840.113549.1.9.15", b"\x30\x00"),
            raw_extension("2.5.29.14", b"\x04\x02ab"),
            **_RSA_KEY,
        ),
        codes=("csr.extension_ignored", "csr.usage_ignored"),
        says=("sMIMECapabilities (1.2.840.113549.1.9.15)", "data_encipherment"),
    ),
    "Microsoft attributes": Kind(
        data=request(
            raw_attribute("1.3.6.1.4.1.311.13.2.3", der.encode(IA5, b"10.0.20348.2")),
            raw_attribute("1.3.6.1.4.1.311.21.20", b"\x30\x03\x02\x01\x05"),
            extension_request(alt_names()),
        ),
        codes=("csr.attribute_ignored",),
        says=("Microsoft OS version (1.3.6.1.4.1.311.13.2.3) = 10.0.20348.2",),
    ),
    "template name": Kind(
        data=asked(
            raw_extension("1.3.6.1.4.1.311.20.2", der.encode(BMP, "WebServer".encode("utf-16-be")))
        ),
        codes=("csr.extension_ignored",),
        says=("Microsoft certificate template name (1.3.6.1.4.1.311.20.2) = WebServer",),
    ),
    "Netscape types": Kind(
        data=asked(
            raw_extension("2.16.840.1.113730.1.1", b"\x03\x02\x06\x40"),
            raw_extension("2.16.840.1.113730.1.13", der.encode(IA5, b"made by hand")),
        ),
        codes=("csr.extension_ignored",),
        says=("netscapeComment (2.16.840.1.113730.1.13) = made by hand",),
    ),
    "number of thousands of digits": Kind(
        data=request(raw_attribute("1.2.3", der.integer(_HUGE)), extension_request(alt_names())),
        codes=("csr.attribute_ignored",),
    ),
    "malformed extra": Kind(
        data=asked(raw_extension("2.5.29.32", b"\xff\xff")), codes=("csr.extension_ignored",)
    ),
    "must-staple": Kind(
        data=asked(raw_extension("1.3.6.1.5.5.7.1.24", b"\x30\x03\x02\x01\x05")),
        codes=("csr.extension_ignored",),
        says=("tlsFeature (1.3.6.1.5.5.7.1.24)",),
    ),
    "usages beyond the policy": Kind(
        data=asked(usages("030204f0"), purposes(_SERVER_AUTH), **_RSA_KEY),
        codes=("csr.usage_ignored",),
        says=("content_commitment", "data_encipherment"),
    ),
    "purposes beyond the policy": Kind(
        data=asked(purposes(_SERVER_AUTH, "1.3.6.1.5.5.7.3.3", "1.3.6.1.4.1.311.10.3.4")),
        codes=("csr.usage_ignored",),
        says=("code_signing", "Microsoft encrypting file system (1.3.6.1.4.1.311.10.3.4)"),
    ),
    "only purposes beyond the policy": Kind(
        data=asked(purposes("1.3.6.1.5.5.7.3.3")), codes=("csr.usage_ignored",)
    ),
    "the same extensions in two attributes": Kind(
        data=request(extension_request(_BOTH), raw_attribute(MS_REQUEST, der.encode(0x30, _BOTH)))
    ),
    "contradicting extensions in two attributes": refused(
        request(extension_request(_BOTH), raw_attribute(MS_REQUEST, der.encode(0x30, _OTHER))),
        "csr.contradicting_extensions",
        says=("subjectAltName (2.5.29.17)",),
    ),
    "repeated extension": refused(
        request(extension_request(_BOTH, _BOTH)),
        "csr.duplicate_extension",
        says=("subjectAltName (2.5.29.17)",),
    ),
    "malformed key usage": refused(
        asked(raw_extension("2.5.29.15", b"\x05\x00")),
        "csr.unreadable_extensions",
        says=("keyUsage (2.5.29.15)", "0500"),
    ),
    "path length of thousands of digits": refused(
        asked(raw_extension("2.5.29.19", der.encode(0x30, der.integer(_HUGE)))),
        "csr.unreadable_extensions",
        says=("basicConstraints (2.5.29.19)",),
    ),
    "CA": refused(
        asked(raw_extension("2.5.29.19", b"\x30\x03\x01\x01\xff")),
        "policy.ca_denied",
    ),
    # Names.
    "user principal name": refused(
        request(extension_request(alt_names(x509.DNSName(HOST), _UPN))),
        "csr.name_type_not_allowed",
        says=("userPrincipalName (1.3.6.1.4.1.311.20.2.3)", "user@example.com"),
    ),
    "directory name": refused(
        request(
            extension_request(
                alt_names(
                    x509.DNSName(HOST),
                    x509.DirectoryName(
                        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ada")])
                    ),
                )
            )
        ),
        "csr.name_type_not_allowed",
        says=("directoryName", "commonName (2.5.4.3) Ada"),
    ),
    "mail address as alternative name": refused(
        request(extension_request(alt_names(x509.DNSName(HOST), x509.RFC822Name("a@example.com")))),
        "policy.san_type_not_allowed",
        says=("email", "a@example.com"),
    ),
    "address of five octets": refused(
        request(extension_request(alt_names(x509.DNSName(HOST), b"\x87\x05\x01\x02\x03\x04\x05"))),
        "csr.name_malformed",
        says=("iPAddress 0102030405", "5"),
    ),
    "NUL in an alternative name": refused(
        request(extension_request(alt_names(b"\x82\x03a\x00b", x509.DNSName(HOST)))),
        "name.invisible_character",
        says=("a\\u0000b", "subjectAltName (2.5.29.17)"),
    ),
    # Keys and signatures.
    "id-RSASSA-PSS key": refused(
        pss_key_request(b""), "key.type", says=("id-RSASSA-PSS (1.2.840.113549.1.1.10)",)
    ),
    "id-RSASSA-PSS key with parameters": refused(
        pss_key_request(pss_parameters(SHA256)),
        "key.type",
        says=("id-RSASSA-PSS (1.2.840.113549.1.1.10)",),
    ),
    "RSA key with PSS signature": Kind(
        data=request(
            **_RSA_KEY,
            pss=padding.PSS(padding.MGF1(hashes.SHA256()), 32),
            algorithm=PSS_SHA256,
        )
    ),
    "SHA-1 signature": refused(
        request(
            **_RSA_KEY,
            digest=hashes.SHA1(),
            algorithm=der.encode(0x30, oid("1.2.840.113549.1.1.5"), NULL),
        ),
        "csr.weak_signature",
        says=("sha1WithRSAEncryption (1.2.840.113549.1.1.5)",),
    ),
    "PSS signature over SHA-1": refused(
        request(
            **_RSA_KEY,
            digest=hashes.SHA1(),
            pss=padding.PSS(padding.MGF1(hashes.SHA1()), 20),
            algorithm=der.encode(0x30, oid(PSS), der.encode(0x30)),
        ),
        "csr.weak_signature",
        says=("sha1",),
    ),
    "PSS signature over SHA3-256": refused(
        request(
            **_RSA_KEY,
            digest=hashes.SHA3_256(),
            pss=padding.PSS(padding.MGF1(hashes.SHA3_256()), 32),
            algorithm=der.encode(0x30, oid(PSS), pss_parameters(SHA3_256)),
        ),
        "csr.signature_algorithm",
    ),
    "signature of another request": refused(
        der.encode(0x30, *der.split(request(version=2))[:1], *der.split(_PLAIN)[1:]),
        "csr.proof_of_possession",
    ),
}
"""Under the TLS server preset."""
