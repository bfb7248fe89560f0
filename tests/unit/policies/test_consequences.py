"""Violations that only follow from another fault are left out."""

import pytest

from apps.policies.consequences import without_consequences
from pki.findings import Violation


def violation(code, field, value=""):
    return Violation(code, field, value, "A reason.")


UNUSABLE_NAME = violation("name.dns", "subject_alt_names[0].value")
UNUSABLE_SUBJECT = violation("name.too_long", "subject[0].common_name")
DENIED_NAME = violation("policy.san_denied", "subject_alt_names[0].value")
BAD_LIFETIME = violation("request.ttl_out_of_range", "ttl")
LATE_START = violation("request.not_before_out_of_range", "not_before")


@pytest.mark.parametrize(
    ("fault", "consequence"),
    [
        (UNUSABLE_NAME, violation("rule.names_present", "subject")),
        (UNUSABLE_SUBJECT, violation("rule.names_present", "subject")),
        (UNUSABLE_NAME, violation("rule.server_without_name", "subject_alt_names")),
        (UNUSABLE_NAME, violation("rule.common_name_listed", "subject[0].value")),
        (UNUSABLE_NAME, violation("rule.email_listed", "subject[1].value")),
        (UNUSABLE_NAME, violation("policy.san_required", "subject_alt_names")),
        (UNUSABLE_SUBJECT, violation("policy.subject_required", "subject")),
        (UNUSABLE_SUBJECT, violation("profile.self_signed_needs_subject", "subject")),
        (BAD_LIFETIME, violation("policy.validity_too_long", "validity")),
        (LATE_START, violation("policy.validity_too_short", "validity")),
        (LATE_START, violation("rule.validity_ordered", "not_after")),
    ],
)
def test_a_consequence_is_left_out_beside_its_cause_only(fault, consequence):
    assert without_consequences([consequence, fault]) == (fault,)
    assert without_consequences([consequence]) == (consequence,)
    other = violation("policy.key_algorithm_not_allowed", "key_algorithm")
    assert without_consequences([other, consequence]) == (other, consequence)


@pytest.mark.parametrize("code", ["rule.common_name_listed", "rule.email_listed"])
def test_a_name_that_was_never_listed_is_missed_all_the_same(code):
    unusable = violation("name.dns", "subject_alt_names[0].value", "a_b.example")
    missed = violation(code, "subject[0].value", "other.example")
    assert without_consequences([unusable, missed]) == (unusable, missed)


def test_faults_that_stand_for_themselves_stay_in_order_and_once():
    found = [DENIED_NAME, BAD_LIFETIME, UNUSABLE_NAME, DENIED_NAME]
    assert without_consequences(found) == (DENIED_NAME, BAD_LIFETIME, UNUSABLE_NAME)


def test_a_name_that_policy_refuses_is_there_and_explains_nothing_else():
    missing = violation("policy.san_required", "subject_alt_names")
    assert without_consequences([DENIED_NAME, missing]) == (DENIED_NAME, missing)
