"""Lists read a bounded number of rows, however many the table has, over admin and API."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse

from apps.audit.models import AuditEvent
from apps.enrollment.acme.models import AcmeOrderAuthorization
from tests.factories.applications import Team, make_machine, make_team, make_token
from tests.factories.many import analyze, multiply
from tests.protocol.api.conftest import Caller

pytestmark = [
    pytest.mark.django_db,
    # On SQLite a list sorts what its condition finds, which is what such small installations have.
    pytest.mark.postgres,
]

ROWS = 4_000
# Clients of ACME are not many, but each may have ordered many certificates.
CLIENTS = 100
# A page has 50 rows, and a query may look at more than it returns; a scan would look at all.
MOST_ROWS = 800
ABSENT = "0190a000-0000-7000-8000-000000000000"
LONG_TABLES = (
    "certificates_certificate",
    "certificates_certificaterequest",
    "audit_auditevent",
    "jobs_job",
    "enrollment_acmeorder",
    "enrollment_acmeauthorization",
    "enrollment_acmechallenge",
)
# Terms that one row holds, or none. What every row holds costs as much as is found.
TERMS = (
    "host77.example.com",
    "nowhere",
    "host77.example.com nowhere",
    ABSENT,
    "abc123",
)
LISTS = {
    "certificates/": {
        "limit": ("200",),
        "application": ("payments", "nothing"),
        "profile": ("payments-tls", "nothing"),
        "authority": ("test-issuing", "nothing"),
        "state": ("active", "revoked", "held"),
        "serial_number": ("77", "abcdef"),
        "fingerprint_sha256": ("f77", "0" * 64),
        "name": ("example", "host77.", "nowhere"),
        "lineage": (ABSENT,),
        "not_after_before": ("2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"),
        "not_after_after": ("2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"),
        "sort": ("not_after", "-not_after"),
    },
    "certificate-requests/": {
        "limit": ("200",),
        "application": ("payments", "nothing"),
        "profile": ("payments-tls", "nothing"),
        "state": ("issued", "pending_approval", "failed"),
        "method": ("api", "acme"),
    },
    "audit-events/": {
        "limit": ("200",),
        "application": ("payments",),
        "event": ("certificate.issued", "certificate.revoked"),
        "actor": ("system:tests", "machine:nobody"),
        "subject_type": ("certificates.certificate", "policies.policy"),
        "subject_id": ("77", ABSENT),
        "trace_id": ("t77", "nothing"),
        "search": ("host77.", "nowhere"),
        # A block-range index tells stretches apart that are longer than this table.
        "since": ("2020-01-01T00:00:00Z",),
        "until": ("2090-01-01T00:00:00Z",),
    },
    "jobs/": {
        "limit": ("200",),
        "kind": ("crl.publish", "nothing"),
        "state": ("succeeded", "failed", "queued"),
        "search": ("answer", "nowhere"),
        "since": ("2090-01-01T00:00:00Z",),
        "until": ("2020-01-01T00:00:00Z",),
        "sort": ("kind", "-kind"),
    },
    # Each account on a page has its orders counted, so only what narrows the list is tried.
    "applications/payments/acme/accounts/": {
        "status": ("revoked",),
        "profile": ("nothing",),
        "eab_kid": ("nothing",),
        "thumbprint": ("p77", "nothing"),
    },
    "applications/payments/acme/orders/": {
        "limit": ("200",),
        "status": ("valid", "invalid", "processing"),
        # Joins over several tables so small that PostgreSQL reads them as a whole do not show the
        # plan of long ones; only what is found at once is tried.
        "profile": ("payments-tls",),
        "account": (ABSENT,),
        "name": ("nowhere.example.com",),
    },
}


@pytest.fixture
def long_lists(world: Any) -> Any:
    """Give every long table thousands of rows."""
    names = "'host' || n || '.example.com'"
    event = AuditEvent.objects.filter(event="certificate.issued").get()
    acme = world.acme
    link = AcmeOrderAuthorization.objects.get(order=acme.order)
    multiply(
        world.certificate,
        ROWS,
        request_id="NULL",
        fingerprint_sha256="'f' || n",
        spki_sha256="'k' || n",
        serial_number="n",
        common_name=names,
        search_text=names,
        lineage_id="UUID",
        not_after="now() + n * interval '1 minute'",
    )
    multiply(world.certificate.request, ROWS, search_text=names, serial_number="n")
    multiply(event, ROWS, subject_id="n", trace_id="'t' || n", subject_label=names)
    world.job.state, world.job.last_error, world.job.result = "succeeded", "", "answered"
    world.job.save()
    multiply(world.job, ROWS)
    multiply(acme.account, CLIENTS, url_id="'a' || n", thumbprint="'p' || n")
    account = f"(SELECT id FROM enrollment_acmeaccount WHERE url_id = 'a' || mod(n, {CLIENTS}) + 1)"
    multiply(acme.order, ROWS, url_id="'o' || n", status="'valid'", account_id=account)
    multiply(
        acme.authorization,
        ROWS,
        url_id="'z' || n",
        identifier_value=names,
        status="'valid'",
        account_id=account,
    )
    challenge = acme.challenge
    multiply(
        challenge,
        ROWS,
        url_id="'c' || n",
        authorization_id="(SELECT id FROM enrollment_acmeauthorization WHERE url_id = 'z' || n)",
        status="'valid'",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO enrollment_acmeorderauthorization (order_id, authorization_id) "
            "SELECT o.id, z.id FROM enrollment_acmeorder o JOIN enrollment_acmeauthorization z "
            "ON substr(o.url_id, 2) = substr(z.url_id, 2) WHERE o.id <> %s",
            [link._meta.get_field("order").get_db_prep_value(acme.order.pk, connection)],
        )
    analyze()
    return world


def rows_read(sql: str) -> int:
    """Return how many rows PostgreSQL looks at to answer a query.

    Tables are small for a test, some so small that a scan is the best plan for them. So the plan
    without scans counts as well, if it is better: it scans what it has no index for.
    """
    found = []
    for scans in ("on", "off"):
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL enable_seqscan = {scans}")
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
            (plan,) = cursor.fetchone()
            cursor.execute("SET LOCAL enable_seqscan = on")
        found.append(scanned_rows((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
    return min(found)


def scanned_rows(node: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan looked at."""
    below = sum(scanned_rows(child) for child in node.get("Plans", ()))
    if "Scan" not in node["Node Type"]:
        return below
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return below + int((node["Actual Rows"] + removed) * node["Actual Loops"])


def expensive(queries: CaptureQueriesContext) -> list[str]:
    """Return the queries of long tables that read too much."""
    found = []
    for query in queries.captured_queries:
        sql = query["sql"]
        # The paginator counts up to a bound of its own.
        if not sql.startswith("SELECT") or sql.startswith("SELECT COUNT(*) FROM (SELECT"):
            continue
        if not any(f'"{table}"' in sql for table in LONG_TABLES):
            continue
        if (cost := rows_read(sql)) > MOST_ROWS:
            found.append(f"{cost} rows: {sql}")
    return found


def api_lists(team: Team) -> Iterator[str]:
    """Yield what is expensive about the lists of the API, for teams with many rows and with none."""
    small = make_team("small", authority=team.authority)
    callers = {
        "team": Caller(make_token(make_machine(team.application, "lists"))),
        "small team": Caller(make_token(make_machine(small.application, "other"))),
    }
    for name, caller in callers.items():
        for path, filters in LISTS.items():
            for parameter, values in filters.items():
                for value in values:
                    with CaptureQueriesContext(connection) as queries:
                        answer = caller.get(f"{path}?{urlencode({parameter: value})}")
                    assert answer.status_code in {200, 403, 404}, answer.content
                    for text in expensive(queries):
                        yield f"{path} {name} {parameter}={value} {text}"


def admin_lists(browser: Client) -> Iterator[str]:
    """Yield what is expensive about the admin's lists, by each filter, search and order."""
    for table in LONG_TABLES:
        url = reverse(f"admin:{table}_changelist")
        shown = browser.get(url).context["cl"]
        choices = [
            choice["query_string"]
            for spec in shown.filter_specs
            for choice in spec.choices(shown)
            if "account__endpoint" not in choice["query_string"]  # as for the API's orders
        ]
        choices += [f"?{urlencode({'q': term})}" for term in TERMS]
        choices += [
            f"?o={sign}{number}"
            for number, column in enumerate(shown.list_display)
            if column in shown.sortable_by
            for sign in ("", "-")
        ]
        for choice in dict.fromkeys(["", *choices]):
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(f"{url}{choice}").status_code == 200, choice
            for text in expensive(queries):
                yield f"{table} {choice} {text}"


def front_page(browser: Client) -> Iterator[str]:
    """Yield what is expensive about the admin's front page."""
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(reverse("admin:index")).status_code == 200
    yield from expensive(queries)


def test_no_list_reads_a_table(long_lists, as_ada):
    problems = [
        *front_page(as_ada),
        *api_lists(long_lists.team),
        *admin_lists(as_ada),
    ]
    assert not problems, "\n".join(problems)


def test_every_filter_of_long_lists_is_tried():
    for path, tried in LISTS.items():
        view = get_resolver().resolve(f"/api/v1/{path}").func
        wanted = set(view.cls.filterset_class.base_filters) | (
            {"sort"} if view.cls.sorts else set()
        )
        assert wanted <= set(tried), path
