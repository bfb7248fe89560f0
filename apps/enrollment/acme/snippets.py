"""Command lines and configurations for ACME clients.

The admin pages, ``docs/acme.md`` and the quickstart command all show these texts. They register
with the EAB key and obtain a first certificate by http-01; each client renews by itself.
"""

import base64
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from apps.registry import Snippet

_CONTINUED = " \\\n  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What goes into the texts.

    Attributes:
        directory_url: of the endpoint.
        ca_file: where the client finds the root certificate that it is to trust.
        kid, hmac_key: the EAB key; the words of the defaults stand for "put yours here".
        eab: whether the endpoint asks for one.
        name: what the certificate is for.
        email: the contact of clients that insist on one.
        ca_pem: the root certificate itself, for clients that take it in line.
    """

    directory_url: str
    ca_file: str = "root.pem"
    kid: str = "KID"
    hmac_key: str = "HMAC_KEY"
    eab: bool = True
    name: str = "www.example.com"
    email: str = "pki@example.com"
    ca_pem: str = ""


def snippets(setting: Setting) -> tuple[Snippet, ...]:
    """Return a text for each client that people use."""
    return tuple(Snippet(client, language, write(setting)) for client, language, write in _CLIENTS)


def certbot(setting: Setting) -> str:
    """Return a command line that begins with the root to trust."""
    words = [
        f"REQUESTS_CA_BUNDLE={_quoted(setting.ca_file)} certbot certonly --standalone",
        "--agree-tos --register-unsafely-without-email",
        f"--server {_quoted(setting.directory_url)}",
    ]
    if setting.eab:
        words.append(f"--eab-kid {setting.kid} --eab-hmac-key {setting.hmac_key}")
    return _CONTINUED.join([*words, f"-d {_quoted(setting.name)}"])


def _lego(setting: Setting) -> str:
    words = [
        f"LEGO_CA_CERTIFICATES={_quoted(setting.ca_file)} lego --accept-tos",
        f"--email {_quoted(setting.email)} --server {_quoted(setting.directory_url)}",
    ]
    if setting.eab:
        words.append(f"--eab --kid {setting.kid} --hmac {setting.hmac_key}")
    return _CONTINUED.join([*words, f"--http -d {_quoted(setting.name)} run"])


def _acme_sh(setting: Setting) -> str:
    where = f"--server {_quoted(setting.directory_url)} --ca-bundle {_quoted(setting.ca_file)}"
    register = ["acme.sh --register-account", where]
    if setting.eab:
        register.append(f"--eab-kid {setting.kid} --eab-hmac-key {setting.hmac_key}")
    issue = ["acme.sh --issue --standalone", where, f"-d {_quoted(setting.name)}"]
    return f"{_CONTINUED.join(register)}\n{_CONTINUED.join(issue)}"


def _caddy(setting: Setting) -> str:
    bound = (
        f"\tacme_eab {{\n\t\tkey_id {setting.kid}\n\t\tmac_key {setting.hmac_key}\n\t}}\n"
        if setting.eab
        else ""
    )
    return (
        f'{{\n\tacme_ca {setting.directory_url}\n\tacme_ca_root "{setting.ca_file}"\n{bound}}}\n\n'
        f'{setting.name} {{\n\trespond "It works."\n}}'
    )


def _traefik(setting: Setting) -> str:
    bound = (
        f"      eab:\n        kid: {setting.kid}\n        hmacEncoded: {setting.hmac_key}\n"
        if setting.eab
        else ""
    )
    return (
        f"# Start Traefik with LEGO_CA_CERTIFICATES={setting.ca_file} in its environment.\n"
        'entryPoints:\n  web:\n    address: ":80"\n  websecure:\n    address: ":443"\n'
        "certificatesResolvers:\n  sealwright:\n    acme:\n"
        f"      caServer: {setting.directory_url}\n"
        f"      email: {setting.email}\n"
        "      storage: acme.json\n"
        f"{bound}"
        "      httpChallenge:\n        entryPoint: web"
    )


def _cert_manager(setting: Setting) -> str:
    bundle = base64.b64encode(setting.ca_pem.encode()).decode() or "BASE64_OF_ROOT_PEM"
    secret = (
        "apiVersion: v1\nkind: Secret\n"
        "metadata:\n  name: sealwright-eab\n  namespace: cert-manager\n"
        f"stringData:\n  hmac-key: {setting.hmac_key}\n---\n"
    )
    bound = (
        f"    externalAccountBinding:\n      keyID: {setting.kid}\n"
        "      keySecretRef:\n        name: sealwright-eab\n        key: hmac-key\n"
    )
    return (
        f"{secret if setting.eab else ''}"
        "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata:\n  name: sealwright\n"
        "spec:\n  acme:\n"
        f"    server: {setting.directory_url}\n"
        f"    caBundle: {bundle}\n"
        "    privateKeySecretRef:\n      name: sealwright-account\n"
        f"{bound if setting.eab else ''}"
        "    solvers:\n      - http01:\n          ingress:\n            ingressClassName: nginx"
    )


def _quoted(text: str) -> str:
    return shlex.quote(text)


_CLIENTS: tuple[tuple[str, str, Callable[[Setting], str]], ...] = (
    ("certbot", "sh", certbot),
    ("lego", "sh", _lego),
    ("acme.sh", "sh", _acme_sh),
    ("Caddy", "caddyfile", _caddy),
    ("Traefik", "yaml", _traefik),
    ("cert-manager", "yaml", _cert_manager),
)
