"""A valid body for each call of the isolation tests, so that only the caller can be refused."""

import base64
from typing import Any

from apps.policies.presets import PRESETS
from tests.factories.keys import make_csr
from tests.protocol.wall.world import Side, World

SUBJECT = {"common_name": "New CA"}


def nothing(_world: World, _side: Side) -> dict[str, Any]:
    return {}


def request(_world: World, side: Side) -> dict[str, Any]:
    name = side.team.application.name
    csr = base64.b64encode(make_csr(f"new.{name}.example.com")).decode()
    return {"application": name, "profile": side.team.profile.name, "csr": csr}


def bulk(world: World, side: Side) -> dict[str, Any]:
    one = request(world, side)
    return one | {"requests": [{"csr": one.pop("csr")}]}


def renewal(_world: World, _side: Side) -> dict[str, Any]:
    return {"key": "new"}


def export(_world: World, _side: Side) -> dict[str, Any]:
    return {"format": "pkcs12", "password": "a good passphrase"}


def reason(_world: World, _side: Side) -> dict[str, Any]:
    return {"reason": "superseded"}


def serial_number(_world: World, side: Side) -> dict[str, Any]:
    return {"serial_number": side.things["serial number"]["reference"], "reason": "superseded"}


def ca_reason(_world: World, _side: Side) -> dict[str, Any]:
    return {"reason": "cACompromise"}


def description(_world: World, _side: Side) -> dict[str, Any]:
    return {"description": "changed"}


def named(_world: World, _side: Side) -> dict[str, Any]:
    return {"name": "brand-new"}


def role(_world: World, _side: Side) -> dict[str, Any]:
    return {"role": "operator"}


def member(_world: World, _side: Side) -> dict[str, Any]:
    return {"role": "auditor", "user": "oscar"}


def members(_world: World, _side: Side) -> dict[str, Any]:
    return {"role": "auditor", "names": ["oscar", "nobody-has-this"]}


def pairing(_world: World, side: Side) -> dict[str, Any]:
    return {"profile": side.things["unattached"]["reference"]}


def switches(_world: World, _side: Side) -> dict[str, Any]:
    return {"requires_approval": True}


def token(_world: World, side: Side) -> dict[str, Any]:
    """A token for the team's machine."""
    machine = side.things["machine"]["reference"]
    return {"name": "new", "scopes": ["read"], "machine_identity": machine}


def authority(world: World, _side: Side) -> dict[str, Any]:
    return {
        "name": "brand-new",
        "kind": "intermediate",
        "subject": SUBJECT,
        "key_algorithm": "ec-p256",
        "lifetime_days": 30,
        "parent": world.common["root"]["reference"],
    }


def lifetime(_world: World, _side: Side) -> dict[str, Any]:
    return {"lifetime_days": 365}


def publishing(_world: World, _side: Side) -> dict[str, Any]:
    return {"crl_lifetime_hours": 48}


def certificate(_world: World, _side: Side) -> dict[str, Any]:
    """Unusable: installing a good one is tested with the authorities."""
    return {"certificate": base64.b64encode(b"\x30\x00").decode()}


def policy(_world: World, _side: Side) -> dict[str, Any]:
    return {"name": "brand-new", "rules": PRESETS["tls-server"].rules}


def profile(world: World, side: Side) -> dict[str, Any]:
    return {
        "name": "brand-new",
        "issuer_type": "authority",
        "authority": side.team.authority.name,
        "policy": side.things["policy"]["reference"],
        "defaults": PRESETS["tls-server"].defaults,
    }


def own_token(_world: World, _side: Side) -> dict[str, Any]:
    return {"name": "new", "scopes": ["read"]}


def endpoint(_world: World, side: Side) -> dict[str, Any]:
    return {"profile": side.things["bare"]["profile"]}


def endpoint_settings(_world: World, _side: Side) -> dict[str, Any]:
    return {"check_caa": False}


def eab_key(_world: World, _side: Side) -> dict[str, Any]:
    return {"name": "new"}
