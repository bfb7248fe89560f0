"""Lock-out of password guessing: waits, who is held up, what is stored, what is told."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.urls import reverse

from apps import clock
from apps.accounts import lockout
from apps.accounts.backends import LockoutBackend
from apps.accounts.models import LoginCounter, User
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.errors import AccessDenied
from apps.principals import ProductRole
from apps.site.display import admin_url
from tests.factories.accounts import PASSWORD, make_person

pytestmark = pytest.mark.django_db

HOME, ELSEWHERE = "192.0.2.9", "198.51.100.7"
LOGIN = "/admin/login/"
WRONG = PASSWORD + "x"


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password is hashed: the cost of an attempt."""

    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).hashed += 1
        return super().encode(password, salt)


@pytest.fixture
def hashes(settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    CountingHasher.hashed = 0
    return CountingHasher


def attempt(name: str, password: str = WRONG, address: str = HOME) -> User | None:
    request = RequestFactory().post(LOGIN, REMOTE_ADDR=address)
    return authenticate(request, username=name, password=password)


def events(kind: Event) -> int:
    return AuditEvent.objects.filter(event=kind).count()


@pytest.mark.parametrize("name", ["eve", "nobody"])
def test_150_wrong_passwords_in_a_row_cost_five_hashes(hashes, frozen_clock, name):
    make_person("eve")
    hashes.hashed = 0
    for _ in range(150):
        assert attempt(name) is None
    assert hashes.hashed == 5
    assert events(Event.LOGIN_FAILED) == 5
    assert events(Event.LOGIN_LOCKED) == 1
    assert events(Event.LOGIN_REFUSED) == 30  # sampled: the log is no way to fill the disk


def test_the_wait_doubles_up_to_the_longest(hashes, frozen_clock):
    for _ in range(5):
        attempt("nobody")
    waits = []
    for _ in range(12):
        row = LoginCounter.objects.exclude(account="").exclude(network="").get()
        waits.append(int((row.blocked_until - clock.now()).total_seconds()))
        frozen_clock.shift(waits[-1] - 1)
        before = hashes.hashed
        attempt("nobody")
        assert hashes.hashed == before
        frozen_clock.shift(1)
        attempt("nobody")
        assert hashes.hashed == before + 1
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_the_right_password_is_refused_during_a_wait(frozen_clock):
    make_person("eve")
    for _ in range(5):
        attempt("eve")
    assert attempt("eve", PASSWORD) is None
    frozen_clock.shift(1)
    assert attempt("eve", PASSWORD) is not None


def test_attempts_during_a_wait_do_not_prolong_it(frozen_clock):
    for _ in range(50):
        attempt("nobody")
    frozen_clock.shift(1)
    make_person("nobody")
    assert attempt("nobody", PASSWORD) is not None


def test_a_success_forgets_the_failures_of_the_account(frozen_clock):
    make_person("eve")
    for _ in range(4):
        attempt("eve")
    assert attempt("eve", PASSWORD) is not None
    for _ in range(4):
        attempt("eve")
    assert attempt("eve", PASSWORD) is not None


def test_failures_fade_with_time(frozen_clock):
    make_person("eve")
    for _ in range(5):
        attempt("eve")
    frozen_clock.shift(timedelta(hours=2))
    for _ in range(4):
        attempt("eve")
    assert attempt("eve", PASSWORD) is not None


def test_an_owner_signs_in_from_another_address_while_one_is_locked(frozen_clock):
    make_person("eve")
    for _ in range(200):
        attempt("eve", address=ELSEWHERE)
    assert attempt("eve", PASSWORD, HOME) is not None


def test_an_attack_from_everywhere_leaves_the_usual_address_free(frozen_clock):
    """One failure from each of 120 addresses locks the account, but not where its owner works."""
    make_person("eve")
    assert attempt("eve", PASSWORD, HOME) is not None
    for number in range(120):
        attempt("eve", address=f"203.0.113.{number}")
    assert attempt("eve", PASSWORD, ELSEWHERE) is None
    assert attempt("eve", PASSWORD, HOME) is not None


def test_the_usual_address_is_no_way_round_the_pair(hashes, frozen_clock):
    make_person("eve")
    assert attempt("eve", PASSWORD) is not None
    hashes.hashed = 0
    for _ in range(50):
        attempt("eve")
    assert hashes.hashed == 5


def test_a_success_is_trusted_for_a_month(frozen_clock):
    make_person("eve")
    attempt("eve", PASSWORD, HOME)
    frozen_clock.shift(timedelta(days=31))
    for number in range(120):
        attempt("eve", address=f"203.0.113.{number}")
    assert attempt("eve", PASSWORD, HOME) is None


def test_one_address_cannot_try_many_accounts(hashes, frozen_clock):
    for number in range(100):
        attempt(f"user{number}")
    assert hashes.hashed == 20


def test_an_own_account_does_not_reset_the_address(hashes, frozen_clock):
    """Somebody with an account signs in between guesses; the address is locked all the same."""
    make_person("mallory")
    attempt("mallory", PASSWORD)
    hashes.hashed = 0
    for number in range(100):
        attempt(f"user{number}")
        attempt("mallory", PASSWORD)
    assert hashes.hashed == 20 + 100


def test_rows_stay_few_under_thousands_of_names(frozen_clock):
    for number in range(2_000):
        lockout.begin(f"user{number}", HOME)
    assert LoginCounter.objects.count() <= 2 * 20 + 1


def test_rows_stay_bounded_when_the_names_come_from_everywhere(frozen_clock, monkeypatch):
    """What is locked survives the flood of names that shall wash it away."""
    monkeypatch.setattr(lockout, "MAX_ROWS", 100)
    for _ in range(5):
        lockout.begin("eve", HOME)
    for number in range(250):
        lockout.begin(f"user{number}", f"10.0.0.{number}")
    assert LoginCounter.objects.count() <= 103
    assert lockout.begin("eve", HOME) is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("proxy.example", "unknown"),
    ],
)
def test_an_address_is_counted_with_its_network(address, network):
    assert lockout.network_of(address) == network


def test_addresses_of_one_ipv6_network_count_as_one(hashes, frozen_clock):
    for number in range(50):
        attempt("nobody", address=f"2001:db8:1:2::{number:x}")
    assert hashes.hashed == 5


def test_without_an_address_the_account_is_counted_and_others_are_not_held_up(hashes, frozen_clock):
    make_person("eve")
    for _ in range(50):
        attempt("nobody", address="")
    assert hashes.hashed <= 6
    assert attempt("eve", PASSWORD, "") is not None


@pytest.mark.parametrize("name", ["EVE", "Eve", "\N{FULLWIDTH LATIN SMALL LETTER E}ve"])
def test_spellings_of_a_name_are_counted_together(hashes, frozen_clock, name):
    for _ in range(5):
        attempt("eve")
    hashes.hashed = 0
    attempt(name)
    assert hashes.hashed == 0


def test_asynchronous_callers_are_counted_as_well(hashes, frozen_clock):
    request = RequestFactory().post(LOGIN, REMOTE_ADDR=HOME)
    ask = async_to_sync(LockoutBackend().aauthenticate)
    for _ in range(5):
        assert ask(request, username="nobody", password=WRONG) is None
    with pytest.raises(PermissionDenied):
        ask(request, username="nobody", password=WRONG)
    assert hashes.hashed == 5


def test_no_typed_name_is_stored():
    attempt("hunter2-canary")
    assert "canary" not in str(list(LoginCounter.objects.values()))


def test_the_sweep_deletes_what_decides_nothing(frozen_clock):
    make_person("eve")
    attempt("eve", PASSWORD)
    attempt("nobody", address=ELSEWHERE)
    frozen_clock.shift(timedelta(days=2))
    lockout.sweep()
    row = LoginCounter.objects.get()  # where eve usually works
    assert (row.user.username, row.network) == ("eve", HOME)
    frozen_clock.shift(timedelta(days=31))
    lockout.sweep()
    assert not LoginCounter.objects.exists()


def test_the_sweep_leaves_a_lock_alone(frozen_clock):
    for _ in range(5):
        attempt("nobody")
    lockout.sweep()
    assert attempt("nobody") is None
    assert events(Event.LOGIN_REFUSED) == 1


def post(name: str, password: str, address: str = HOME) -> str:
    """Return the visible answer of the sign-in page; empty when it lets in."""
    answer = Client(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password})
    if answer.status_code == 302:
        return ""
    assert answer.status_code == 200
    page = answer.content.decode()
    return page[page.index("errornote") : page.index("</form>")].replace(f'"{name}"', "NAME")


def test_the_answer_is_the_same_for_wrong_unknown_and_locked(frozen_clock):
    make_person("eve", role=ProductRole.ADMIN)
    wrong, unknown = post("eve", WRONG), post("nobody", WRONG)
    for _ in range(10):
        post("eve", WRONG)
        post("nobody", WRONG)
    strip = lambda page: page.split("csrfmiddlewaretoken")[0]  # noqa: E731 - differs each time
    answers = {strip(page) for page in (wrong, unknown, post("eve", PASSWORD), post("nobody", "x"))}
    assert len(answers) == 1
    assert "up to 15 minutes" in wrong


def test_an_administrator_clears_an_account_on_its_page(frozen_clock):
    make_person("ada", role=ProductRole.ADMIN)
    eve = make_person("eve", role=ProductRole.ADMIN)
    for _ in range(6):
        post("eve", WRONG)
    assert post("eve", PASSWORD) != ""
    browser = Client()
    browser.force_login(User.objects.get(username="ada"))
    assert "Clear failed sign-ins" in browser.get(admin_url(eve)).content.decode()
    assert browser.post(admin_url(eve, "clear-failures")).status_code == 302
    assert post("eve", PASSWORD) == ""
    assert AuditEvent.objects.get(event=Event.LOGIN_UNLOCKED).subject_label == "eve"


def test_an_administrator_sees_and_clears_a_counter(frozen_clock):
    ada = make_person("ada", role=ProductRole.ADMIN)
    for number in range(25):
        attempt(f"user{number}", address=ELSEWHERE)
    browser = Client()
    browser.force_login(ada)
    page = browser.get(reverse("admin:accounts_logincounter_changelist")).content.decode()
    assert ELSEWHERE in page
    assert "unknown account" in page
    row = LoginCounter.objects.get(account="", network=ELSEWHERE)
    assert browser.get(admin_url(row)).status_code == 200
    assert browser.post(admin_url(row, "clear")).status_code == 302
    assert lockout.begin("somebody", ELSEWHERE) is not None


def test_only_administrators_clear_counters(outsider, frozen_clock):
    for _ in range(6):
        attempt("nobody")
    with pytest.raises(AccessDenied):
        lockout.clear(outsider, LoginCounter.objects.all())
    assert attempt("nobody") is None


def test_the_command_lists_and_clears(capsys, frozen_clock):
    make_person("eve")
    for _ in range(5):
        attempt("eve")
    call_command("login_waits")
    assert "eve from 192.0.2.9: 5 failures, waits until" in capsys.readouterr().out
    call_command("login_waits", user="EVE", clear=True)
    assert capsys.readouterr().out == "cleared 2\n"
    assert attempt("eve", PASSWORD) is not None
    for number in range(25):
        attempt(f"user{number}", address="2001:db8::1")
    call_command("login_waits", address="2001:db8::2", clear=True)
    assert lockout.begin("somebody", "2001:db8::3") is not None


@pytest.mark.parametrize("options", [{"clear": True}, {"user": "nobody"}, {"address": "x"}])
def test_the_command_refuses_what_it_cannot_mean(options):
    with pytest.raises(CommandError):
        call_command("login_waits", **options)
