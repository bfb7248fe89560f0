"""Tests of the API of the audit log, for each role."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.audit.models import AuditEvent
from tests.protocol.api.conftest import ABSENT, bare, code_of

pytestmark = pytest.mark.django_db


def test_teams_read_the_events_of_their_own_applications_only(members, other_team, stranger):
    own = str(AuditEvent.objects.filter(subject_label="payments").first().application_id)
    foreign = AuditEvent.objects.filter(application_id=other_team.application.pk).first()
    for member in members.values():
        assert {row["application_id"] for row in member.rows("audit-events/")} == {own}
        answer = member.get(f"audit-events/{foreign.pk}/")
        assert code_of(answer, 404) == "not_found"
        for number in (10**9, 2**63, 10**30):
            assert bare(member.get(f"audit-events/{number}/")) == bare(answer)
    assert stranger.rows("audit-events/") == []


def test_a_governor_reads_all_one_by_one_too(governor, team):
    rows = governor.rows("audit-events/?limit=7")
    assert len(rows) == AuditEvent.objects.count()
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert governor.get(f"audit-events/{rows[0]['id']}/").json() == rows[0]
    oldest_first = governor.rows("audit-events/?sort=created_at&limit=7")
    assert [row["id"] for row in oldest_first] == [row["id"] for row in reversed(rows)]


def test_events_are_filtered(governor, team):
    governor.patch("applications/payments/", {"description": "x"})
    one = governor.rows("audit-events/?event=application.updated")
    assert [row["subject_label"] for row in one] == ["payments"]
    event = one[0]
    for query in (
        f"actor={event['actor']}",
        f"subject_type={event['subject_type']}&subject_id={event['subject_id']}",
        f"trace_id={event['trace_id']}",
        "application=payments",
        "search=PAYM",
        f"since={(datetime.now(UTC) - timedelta(hours=1)).isoformat().replace('+00:00', 'Z')}",
    ):
        assert event in governor.rows(f"audit-events/?{query}")
    assert governor.rows("audit-events/?until=2001-01-01T00:00:00Z") == []
    for query in (f"application={ABSENT}", "application=nobody"):
        assert code_of(governor.get(f"audit-events/?{query}"), 404) == "not_found"
    for query in ("event=x", "since=yesterday", "actor=", "sort=actor"):
        assert code_of(governor.get(f"audit-events/?{query}"), 400) == "malformed"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_changes_the_log(governor, team, method):
    one = AuditEvent.objects.first()
    for path in ("audit-events/", f"audit-events/{one.pk}/"):
        assert code_of(governor(method, path, {}), 405) == "method_not_allowed"
