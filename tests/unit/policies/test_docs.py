"""Examples of the documentation of policies."""

import json
import re
from pathlib import Path

import pytest

from apps.policies import evaluation, fixed_rules, rules
from apps.policies.presets import PRESETS
from apps.policies.rules import parse_rules
from apps.profiles.defaults import parse_defaults
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES, SAN_TYPES, SUBJECT_ATTRIBUTES

_DOCS = Path(__file__).parents[3] / "docs"
_BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)


def examples(page):
    return [json.loads(block) for block in _BLOCK.findall((_DOCS / page).read_text())]


@pytest.mark.parametrize("document", examples("policies.md"))
def test_rule_documents_are_read_and_already_canonical(document):
    assert parse_rules(document).document == document | {
        "key_usages": {"allowed": ["key_encipherment"], "required": ["digital_signature"]}
    }


@pytest.mark.parametrize("document", examples("profiles.md"))
def test_defaults_are_read(document):
    assert parse_defaults(document).ttl is not None


def test_every_code_of_evaluation_is_explained():
    page = (_DOCS / "policies.md").read_text()
    source = Path(evaluation.__file__).read_text()
    for code in set(re.findall(r'"(policy\.[a-z_]+)"', source)):
        assert f"`{code}`" in page, code


def test_every_section_value_and_preset_is_mentioned():
    page = (_DOCS / "policies.md").read_text()
    values = (*SUBJECT_ATTRIBUTES, *SAN_TYPES, *KEY_USAGES, *EXTENDED_KEY_USAGES)
    for word in (*rules.SECTIONS, *values, *KeyAlgorithm, *SignatureAlgorithm, *PRESETS):
        assert word in page
    assert str(fixed_rules.MAX_NAMES) in page
