"""Guessing passwords is stopped by account and by network, and never locks out a device that is known."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from functions.auth import passwords, rules
from functions.auth.passwords import Room
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.fakes.cheap_hashes import allow_many_waiting, use_cheap_hashes
from tests.operations.scene import PASSWORD, Scene

Client = Callable[..., FunctionClient]

WRONG = "Wrong-Guess-88!"


@pytest.fixture
def scene(client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """How hard a hash is, is not what is tried here."""
    use_cheap_hashes(monkeypatch)
    allow_many_waiting(monkeypatch, 100)
    return Scene(client, sql)


def member(scene: Scene) -> str:
    email = scene.verified()
    scene.sql.execute_unnamed(
        "UPDATE members SET password_hash = $1 WHERE email = $2",
        (factories.password_hash(PASSWORD), email),
    )
    return email


def sign_in(
    scene: Scene, email: str, password: str = PASSWORD, address: str = "203.0.113.7", token: str | None = None
) -> Answer:
    device = {"kind": "desktop"} | ({"token": token} if token else {})
    return scene.client(address=address).post(
        "/v1/auth/login", {"email": email, "password": password, "device": device}
    )


def set_counters(scene: Scene, attempts: int) -> None:
    scene.sql.execute_unnamed("UPDATE attempt_counters SET attempts = $1", (attempts,))


def test_of_64_guesses_at_once_ten_count_and_then_the_right_one_is_refused(scene: Scene) -> None:
    email = member(scene)
    with ThreadPoolExecutor(64) as threads:
        outcomes = Counter(threads.map(lambda _: sign_in(scene, email, WRONG).problem, range(64)))
    assert outcomes == {"sign-in-refused": 64}
    assert sign_in(scene, email).problem == "sign-in-refused"
    counted = "SELECT attempts FROM attempt_counters ORDER BY attempts"
    assert scene.sql.execute_simple(counted).rows == [[10], [65], [65]]  # of the account by all: ten


def test_one_network_does_not_use_up_what_all_share(scene: Scene) -> None:
    email = member(scene)
    for _ in range(rules.ACCOUNT_FAILURES_MAX + 1):
        assert sign_in(scene, email, WRONG).problem == "sign-in-refused"
    assert sign_in(scene, email).problem == "sign-in-refused"
    assert sign_in(scene, email, address="192.0.2.1").status == 200


def test_guesses_from_everywhere_lock_the_account_for_strangers(scene: Scene) -> None:
    email = member(scene)
    for number in range(rules.ACCOUNT_FAILURES_MAX):
        sign_in(scene, email, WRONG, f"198.51.100.{number}")
    refused = sign_in(scene, email, address="192.0.2.1")
    assert (refused.status, refused.problem) == (403, "sign-in-refused")
    assert str(refused.body) == str(sign_in(scene, "nobody@example.com").body)


def test_whoever_guesses_elsewhere_cannot_lock_a_known_device_out(scene: Scene) -> None:
    email = member(scene)
    token = sign_in(scene, email).body["device_token"]
    sign_in(scene, email, WRONG)
    set_counters(scene, 10_000)
    assert sign_in(scene, email).problem == "sign-in-refused"
    assert sign_in(scene, email, token=token).status == 200
    assert sign_in(scene, email, token=token, address="192.0.2.1").status == 200


def test_a_device_is_known_to_its_own_account_only(scene: Scene) -> None:
    email, other = member(scene), member(scene)
    token = sign_in(scene, other).body["device_token"]
    sign_in(scene, email, WRONG)
    set_counters(scene, 10_000)
    for stranger in (token, "x" * 43):
        assert sign_in(scene, email, token=stranger).problem == "sign-in-refused"


def test_a_known_device_has_ten_guesses_of_its_own_and_locks_nobody_else_out(scene: Scene) -> None:
    email = member(scene)
    token = sign_in(scene, email).body["device_token"]
    for _ in range(rules.FAILED_SIGN_INS_MAX - 1):
        sign_in(scene, email, WRONG, token=token)
    assert sign_in(scene, email).status == 200
    for _ in range(rules.FAILED_SIGN_INS_MAX + 1):
        sign_in(scene, email, WRONG, token=token)
    assert sign_in(scene, email, token=token).problem == "sign-in-refused"


def test_a_network_that_tries_many_accounts_is_stopped(scene: Scene) -> None:
    email, other = member(scene), member(scene)
    sign_in(scene, other, WRONG)
    set_counters(scene, rules.NETWORK_FAILURES_MAX)
    assert sign_in(scene, email).problem == "sign-in-refused"
    assert sign_in(scene, email, address="192.0.2.1").status == 200


def test_all_addresses_of_an_ipv6_network_are_one(scene: Scene) -> None:
    email = member(scene)
    for number in range(rules.FAILED_SIGN_INS_MAX):
        sign_in(scene, email, WRONG, f"2001:db8::{number:x}:1")
    assert sign_in(scene, email, address="2001:db8::77").problem == "sign-in-refused"
    assert sign_in(scene, email, address="2001:db8:0:1::1").status == 200


def test_a_device_that_was_away_for_ninety_days_is_unknown_and_forgotten(scene: Scene, tmp_path: Path) -> None:
    email = member(scene)
    token = sign_in(scene, email).body["device_token"]
    with moved_clock(tmp_path, rules.DEVICE_KNOWN_FOR + timedelta(hours=1)):
        sign_in(scene, email, WRONG)
        set_counters(scene, 10_000)
        assert sign_in(scene, email, token=token).problem == "sign-in-refused"
    with moved_clock(tmp_path, rules.DEVICE_KNOWN_FOR + timedelta(hours=2)):
        assert sign_in(scene, email).status == 200
    assert scene.sql.execute_simple("SELECT count(*) FROM known_devices").rows == [[1]]


def test_what_is_counted_names_nobody(scene: Scene) -> None:
    email = member(scene)
    sign_in(scene, email, WRONG)
    stored = str(scene.sql.execute_simple("SELECT subject FROM attempt_counters").rows)
    assert email not in stored
    assert "203.0.113.7" not in stored


def test_when_the_waiting_room_is_full_sign_ins_come_again_and_other_requests_do_not_wait(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = sign_in(scene, member(scene)).body
    monkeypatch.setattr(passwords, "STRANGERS", Room(1, waiting=-1, share=1))
    refused = sign_in(scene, "nobody@example.com")
    assert (refused.status, refused.problem, refused.headers["Retry-After"]) == (503, "overloaded", "1")
    assert scene.client().post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status == 200
    monkeypatch.undo()
    assert sign_in(scene, "nobody@example.com").status == 403
    assert scene.sql.execute_simple("SELECT max(attempts) FROM attempt_counters").rows == [[1]]  # the 503 was no try
