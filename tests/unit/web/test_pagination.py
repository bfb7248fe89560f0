"""Pages cover a list exactly once, and forged cursors are refused."""

from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.applications.models import Application
from apps.errors import Malformed
from apps.web.pagination import NewestFirst

pytestmark = pytest.mark.django_db


def page(query: dict[str, str], model=Application) -> tuple[list, str | None]:
    paginator = NewestFirst()
    view = SimpleNamespace(sorts={}, sort_key="pk")
    request = Request(APIRequestFactory().get("/api/v1/x/", {"name": "a"} | query))
    rows = paginator.paginate_queryset(model.objects.all(), request, view)
    following = paginator.get_paginated_response([]).data["next"]
    return rows, following


def cursor_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["cursor"][0]


@pytest.fixture
def applications():
    # Identifiers of one millisecond have no order; these do.
    return [Application.objects.create(id=UUID(int=n), name=f"app-{n}") for n in range(5)]


def test_pages_cover_the_list_once_newest_first(applications):
    seen, query = [], {"limit": "2"}
    for _ in range(3):
        rows, following = page(query)
        seen += rows
        if following:
            query["cursor"] = cursor_of(following)
            assert parse_qs(urlsplit(following).query)["name"] == ["a"]
    assert following is None
    assert seen == sorted(applications, key=lambda a: a.pk, reverse=True)


def test_rows_that_appear_meanwhile_shift_nothing(applications):
    _, following = page({"limit": "2"})
    Application.objects.create(name="new")
    rows, _ = page({"limit": "2", "cursor": cursor_of(following)})
    assert {row.name for row in rows} == {"app-2", "app-1"}


def test_exact_last_page_has_no_next(applications):
    assert page({"limit": "5"})[1] is None


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "", "1.5", "٣", " 5", "9" * 5000])
def test_other_limits_are_refused(limit):
    with pytest.raises(Malformed):
        page({"limit": limit})


def test_tampered_cursors_are_refused(applications):
    _, following = page({"limit": "1"})
    good = cursor_of(following)
    key, signature = good.split(":")
    for cursor in ["", "x", key, f"{applications[0].pk}:{signature}", good[:-1], good + "a", ":"]:
        with pytest.raises(Malformed):
            page({"cursor": cursor})


def test_a_cursor_of_another_list_is_refused(applications):
    Group.objects.bulk_create(Group(name=f"g{n}") for n in range(3))
    _, following = page({"limit": "1"}, model=Group)
    with pytest.raises(Malformed):
        page({"cursor": cursor_of(following)})


def test_paging_costs_one_query_and_no_count(applications, django_assert_num_queries):
    with django_assert_num_queries(1):
        page({"limit": "2"})


def sorted_pages(sort: str, limit: str) -> list[str]:
    sorts = {"description": "description", "name": "name"}
    view = SimpleNamespace(sorts=sorts, sort_key="pk")
    seen, query = [], {"sort": sort, "limit": limit}
    while True:
        paginator = NewestFirst()
        request = Request(APIRequestFactory().get("/api/v1/x/", query))
        rows = paginator.paginate_queryset(Application.objects.all(), request, view)
        seen += [row.name for row in rows]
        following = paginator.get_paginated_response([]).data["next"]
        if following is None:
            return seen
        query["cursor"] = cursor_of(following)


@pytest.mark.parametrize("limit", ["1", "2", "3", "200"])
def test_equal_values_neither_repeat_nor_get_lost_between_pages(limit):
    for number, description in enumerate("bbabbca"):
        Application.objects.create(
            id=UUID(int=number), name=f"app-{number}", description=description
        )
    up = ["app-2", "app-6", "app-0", "app-1", "app-3", "app-4", "app-5"]
    assert sorted_pages("description", limit) == up
    assert sorted_pages("-description", limit) == up[::-1]
    assert sorted_pages("created_at", limit) == [f"app-{number}" for number in range(7)]


@pytest.mark.parametrize("sort", ["", "-", "colour", "--name", "pk", "id", "+name", "name,id"])
def test_other_orders_are_refused(sort):
    with pytest.raises(Malformed):
        page({"sort": sort})


def test_a_cursor_of_another_order_is_refused(applications):
    _, following = page({"limit": "1", "sort": "created_at"})
    with pytest.raises(Malformed):
        page({"sort": "-created_at", "cursor": cursor_of(following)})
