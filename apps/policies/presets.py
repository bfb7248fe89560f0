"""Eight preset policies with profile defaults, usable as they are.

Each preset is a rule document with matching profile defaults, so that a request with only a name
and a key gets a usable certificate.

The longest validity of server and client presets is 398 days: the old public maximum, short
enough to force a renewal each year. These are private authorities, to which the public
limits (200 days today) do not apply; the default of 90 days is what automation should use.
"""

from dataclasses import dataclass
from typing import Any

from pki.algorithms import KeyAlgorithm

_ANY_KEY = [algorithm.value for algorithm in KeyAlgorithm]
# Code-signing Baseline Requirements 6.1.5.2: RSA keys of at least 3072 bits.
_LONG_KEY = [algorithm.value for algorithm in KeyAlgorithm if algorithm != KeyAlgorithm.RSA_2048]
_ORGANISATION = ("organization", "organizational_unit", "country", "state", "locality")
_TLS_USAGES = ["digital_signature", "key_encipherment", "key_agreement"]
_DEFAULT_USAGES = ["digital_signature", "key_encipherment"]
_ANY_HOST: list[dict[str, Any]] = [
    {"type": "dns_name", "allowed": ["**"]},
    {"type": "ip_address", "allowed": ["*"]},
]
_ANY_MAILBOX: dict[str, Any] = {"type": "email", "allowed": ["*@**"]}
# Pages that show a certificate make a link of a URI, and some show names without escaping them.
# The second group starts a program of the operating system, or opens what lies inside a file.
_SCRIPT_SCHEMES = (
    "javascript",
    "vbscript",
    "livescript",
    "jscript",
    "mocha",
    "data",
    "blob",
    "filesystem",
    "view-source",
    "feed",
    "about",
    "x-javascript",
    "x-vbscript",
    "wyciwyg",
    "intent",
    *("file", "jar", "jnlp", "jnlps", "mhtml", "mk", "res", "resource", "chrome", "shell", "hcp"),
    *("its", "ms-its", "ms-itss", "search", "search-ms", "itms-services", "ms-msdt", "ms-cxh"),
    *("ms-cxh-full", "ms-appinstaller", "ms-officecmd", "ms-settings", "ms-search", "ms-word"),
    *("ms-excel", "ms-powerpoint", "ms-access", "ms-visio", "ms-publisher", "ms-project"),
    *("ms-infopath", "ms-spd", "ms-help", "ms-browser-extension", "onenote", "microsoft-edge"),
)
_MARK_UP = ["*<*", "*>*"]
# Attributes without a syntax of their own that keeps mark-up out.
_FREE_TEXT = frozenset(
    {"common_name", "organization", "organizational_unit", "state", "locality", "user_id"}
)
_ANY_URI: dict[str, Any] = {
    "type": "uri",
    "allowed": ["*"],
    "denied": [f"{scheme}:*" for scheme in _SCRIPT_SCHEMES],
}


@dataclass(frozen=True, slots=True)
class Preset:
    """A starting point for a policy and its profile.

    Attributes:
        key: stable name, a slug.
        label: name for people.
        description: one sentence on what it is for.
        rules: rule document for ``policies.services.create_policy``.
        defaults: document for ``profiles.services.create_profile``.
    """

    key: str
    label: str
    description: str
    rules: dict[str, Any]
    defaults: dict[str, Any]


def _subject(*, common_name: str = "allowed", more: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return rules for a free common name and organisation attributes."""
    names = [_any_text(kind, "allowed") for kind in (*_ORGANISATION, *more)]
    return [_any_text("common_name", common_name), *names]


def _any_text(kind: str, mode: str) -> dict[str, Any]:
    """Return the rule for any value of an attribute, save for mark-up."""
    rule: dict[str, Any] = {"type": kind, mode: ["*"]}
    return rule | {"denied": _MARK_UP} if kind in _FREE_TEXT else rule


def _usages(*required: str, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a usage section."""
    rule: dict[str, Any] = {"required": list(required)}
    return rule | {"allowed": list(allowed)} if allowed else rule


_ALL = (
    Preset(
        key="tls-server",
        label="TLS server",
        description="Servers that clients reach by host name or IP address.",
        rules={
            "subject": _subject(more=("serial_number",)),
            "subject_alt_names": _ANY_HOST,
            "key_usages": _usages("digital_signature", allowed=tuple(_TLS_USAGES[1:])),
            "extended_key_usages": _usages("server_auth"),
            "key_algorithms": _ANY_KEY,
            "validity": {"max": "398d"},
        },
        defaults={
            "ttl": "90d",
            "key_algorithm": "ec-p256",
            "key_usages": _DEFAULT_USAGES,
            "extended_key_usages": ["server_auth"],
        },
    ),
    Preset(
        key="tls-client",
        label="TLS client (mTLS)",
        description="Services and people that prove themselves to servers; SPIFFE IDs as URIs.",
        rules={
            "subject": _subject(more=("serial_number", "user_id")),
            "subject_alt_names": [
                {"type": "dns_name", "allowed": ["**"]},
                _ANY_MAILBOX,
                _ANY_URI,
            ],
            "key_usages": _usages("digital_signature", allowed=tuple(_TLS_USAGES[1:])),
            "extended_key_usages": _usages("client_auth"),
            "key_algorithms": _ANY_KEY,
            "validity": {"max": "398d"},
        },
        defaults={
            "ttl": "90d",
            "key_algorithm": "ec-p256",
            "key_usages": ["digital_signature"],
            "extended_key_usages": ["client_auth"],
        },
    ),
    Preset(
        key="code-signing",
        label="Code signing",
        description="Publishers of software; 460 days at most, as the public rules have it.",
        rules={
            "subject": _subject(common_name="required"),
            "subject_alt_names": [_ANY_MAILBOX, _ANY_URI],
            "key_usages": _usages("digital_signature"),
            "extended_key_usages": _usages("code_signing"),
            "key_algorithms": _LONG_KEY,
            "validity": {"max": "460d"},
        },
        defaults={
            "ttl": "365d",
            "key_algorithm": "ec-p384",
            "key_usages": ["digital_signature"],
            "extended_key_usages": ["code_signing"],
        },
    ),
    Preset(
        key="device",
        label="Device",
        description="Machines in the field and on the network (802.1X), by name or serial number.",
        rules={
            "subject": _subject(common_name="required", more=("serial_number", "domain_component")),
            "subject_alt_names": [*_ANY_HOST, _ANY_URI],
            "key_usages": _usages("digital_signature", allowed=tuple(_TLS_USAGES[1:])),
            "extended_key_usages": _usages("client_auth", allowed=("server_auth",)),
            "key_algorithms": _ANY_KEY,
            "validity": {"max": "825d"},
        },
        defaults={
            "ttl": "365d",
            "key_algorithm": "ec-p256",
            "key_usages": _DEFAULT_USAGES,
            "extended_key_usages": ["client_auth"],
        },
    ),
    Preset(
        key="user",
        label="User",
        description="People who log on with a certificate and sign mail with it.",
        rules={
            "subject": _subject(
                common_name="required", more=("user_id", "email_address", "domain_component")
            ),
            "subject_alt_names": [_ANY_MAILBOX],
            "key_usages": _usages(
                "digital_signature", allowed=(*_TLS_USAGES[1:], "content_commitment")
            ),
            "extended_key_usages": _usages("client_auth", allowed=("email_protection",)),
            "key_algorithms": _ANY_KEY,
            "validity": {"max": "398d"},
        },
        defaults={
            "ttl": "365d",
            "key_algorithm": "ec-p256",
            "key_usages": _DEFAULT_USAGES,
            "extended_key_usages": ["client_auth"],
        },
    ),
    Preset(
        key="email-protection",
        label="Email protection",
        description="S/MIME mailboxes: signing and encryption; 825 days at most.",
        rules={
            "subject": _subject(more=("email_address",)),
            "subject_alt_names": [{"type": "email", "required": ["*@**"]}],
            "key_usages": {
                "allowed": [*_TLS_USAGES, "content_commitment"],
            },
            "extended_key_usages": _usages("email_protection"),
            "key_algorithms": _ANY_KEY,
            "validity": {"max": "825d"},
        },
        defaults={
            "ttl": "365d",
            "key_algorithm": "rsa-3072",
            "key_usages": _DEFAULT_USAGES,
            "extended_key_usages": ["email_protection"],
        },
    ),
    Preset(
        key="dual-purpose-server",
        label="Dual-purpose server",
        description="Servers that are also clients of one another: brokers, meshes, databases.",
        rules={
            "subject": _subject(more=("serial_number",)),
            "subject_alt_names": [*_ANY_HOST, _ANY_URI],
            "key_usages": _usages("digital_signature", allowed=tuple(_TLS_USAGES[1:])),
            "extended_key_usages": _usages("server_auth", "client_auth"),
            "key_algorithms": _ANY_KEY,
            "validity": {"max": "398d"},
        },
        defaults={
            "ttl": "90d",
            "key_algorithm": "ec-p256",
            "key_usages": _DEFAULT_USAGES,
            "extended_key_usages": ["server_auth", "client_auth"],
        },
    ),
    Preset(
        key="intermediate-ca",
        label="Intermediate CA",
        description="Subordinate authorities outside this product that issue end-entity certificates.",
        rules={
            "subject": _subject(common_name="required"),
            "subject_alt_names": [],
            "key_usages": _usages("key_cert_sign", "crl_sign", allowed=("digital_signature",)),
            "key_algorithms": _LONG_KEY,
            "validity": {"max": "10y"},
            "basic_constraints": {"is_ca": "required", "max_path_length": 0},
        },
        defaults={
            "ttl": "5y",
            "key_algorithm": "ec-p384",
            "key_usages": ["key_cert_sign", "crl_sign"],
            "basic_constraints": {"is_ca": True, "path_length": 0},
        },
    ),
)

PRESETS: dict[str, Preset] = {preset.key: preset for preset in _ALL}
