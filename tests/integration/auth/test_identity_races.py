"""Sixty-four at the same moment, and one effect: names, addresses, tokens and codes."""

from base64 import b32decode
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.auth import rules
from shared import clock
from shared.credentials import totp
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.cheap_hashes import allow_many_waiting, use_cheap_hashes
from tests.operations.scene import Scene

Client = Callable[..., FunctionClient]

RACERS = 64
PASSWORD = "Sesame-Open-77!"


@pytest.fixture
def scene(client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Every request gets as far as the database, which decides here: hashes are cheap, the waiting room has a place for
    each, and an account may have that many tries in flight (a try counts as failed until its password was compared).
    """
    use_cheap_hashes(monkeypatch)
    allow_many_waiting(monkeypatch, 2 * RACERS)
    monkeypatch.setattr(rules, "ACCOUNT_FAILURES_MAX", 2 * RACERS)
    return Scene(client, sql)


def race(attempt: Callable[[int], Answer]) -> list[Answer]:
    """Run the works in threads that start together."""
    gate = Barrier(RACERS)

    def run(number: int) -> Answer:
        gate.wait()
        return attempt(number)

    with ThreadPoolExecutor(RACERS) as threads:
        return list(threads.map(run, range(RACERS)))


def outcomes(answers: list[Answer]) -> dict[str, int]:
    return dict(Counter(answer.problem for answer in answers))


def count(scene: Scene, table: str) -> Any:
    return scene.sql.execute_simple(f"SELECT count(*) FROM {table}").rows[0][0]


def sign_up(scene: Scene, **changes: str) -> Answer:
    body = {"password": PASSWORD, "full_name": "Ada Lovelace", "date_of_birth": "1990-12-10", **changes}
    return scene.client().post("/v1/auth/signup", body)


@pytest.fixture
def enrolled(scene: Scene) -> tuple[str, bytes, list[str]]:
    """E-mail address, secret of the app and backup codes of a member who signs in with them."""
    somebody = factories.member()
    scene.sql.execute_unnamed(
        "UPDATE members SET password_hash = $1 WHERE id = $2",
        (factories.password_hash(PASSWORD), somebody.id),
    )
    client = scene.client(somebody.token)
    secret = b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    body = {"code": totp.code(secret, totp.step_of(clock.now()) - 1)}
    return somebody.email, secret, client.post("/v1/auth/2fa/enable", body).body["backup_codes"]


def sign_in(scene: Scene, email: str, code: str, number: int) -> Answer:
    body = {"email": email, "password": PASSWORD, "code": code}
    return scene.client(address=f"198.51.100.{number}").post("/v1/auth/login", body)


def test_one_username_is_one_members(scene: Scene) -> None:
    spellings = ["whale_1", "WHALE_1", "Whale_1", "wHALE_1"]
    answers = race(lambda n: sign_up(scene, email=f"m{n}@example.com", username=spellings[n % 4]))
    assert outcomes(answers) == {"": 1, "username-taken": RACERS - 1}
    assert [count(scene, table) for table in ("members", "inboxes", "member_totals", "mails")] == [1] * 4


def test_one_address_is_one_account_in_whatever_capitals(scene: Scene) -> None:
    spellings = ["ada@example.com", "ADA@EXAMPLE.COM", "Ada@Example.Com", " adA@example.com"]
    answers = race(lambda n: sign_up(scene, email=spellings[n % 4], username=f"ada_{n}"))
    assert outcomes(answers) == {"": rules.MAILED_CODES_MAX, "too-many-sign-ups": RACERS - rules.MAILED_CODES_MAX}
    assert [count(scene, table) for table in ("inboxes", "mails", "members WHERE status = 'active'")] == [1] * 3


def test_one_verification_code_proves_once_and_gives_one_comp(scene: Scene) -> None:
    answer = sign_up(scene, email="ada@example.com")
    assert answer.status == 201
    body = {"email": "ada@example.com", "code": scene.mailed_code("ada@example.com")}
    answers = race(lambda _: scene.client().post("/v1/auth/verify-email", body))
    assert outcomes(answers) == {"": 1, "verification-code-not-valid": RACERS - 1}
    assert count(scene, "comps") == 1


def test_one_refresh_token_has_one_successor(scene: Scene) -> None:
    first = scene.signed_in()
    answers = race(lambda _: scene.client().post("/v1/auth/refresh", {"refresh_token": first["refresh_token"]}))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["refresh_token"] for answer in answers}) == 1
    assert count(scene, "refresh_tokens") == 2


def test_one_code_of_the_app_signs_in_once(scene: Scene, enrolled: tuple[str, bytes, list[str]]) -> None:
    email, secret, _ = enrolled
    code = totp.code(secret, totp.step_of(clock.now()) + 1)
    before = count(scene, "sessions")
    answers = race(lambda number: sign_in(scene, email, code, number))
    assert outcomes(answers) == {"": 1, "second-factor-used": RACERS - 1}
    assert count(scene, "sessions") == before + 1


def test_one_backup_code_signs_in_once(scene: Scene, enrolled: tuple[str, bytes, list[str]]) -> None:
    email, _, (code, *_) = enrolled
    before = count(scene, "sessions")
    answers = race(lambda number: sign_in(scene, email, code, number))
    assert outcomes(answers) == {
        "": 1,
        "second-factor-wrong": totp.FAILURES_MAX,  # who comes too late guesses, and is counted
        "second-factor-locked": RACERS - 1 - totp.FAILURES_MAX,
    }
    assert count(scene, "sessions") == before + 1


def test_one_reset_code_sets_one_password(scene: Scene) -> None:
    email, code = scene.reset_code()
    body = {"email": email, "code": code}
    answers = race(
        lambda n: scene.client().post("/v1/auth/reset-password/confirm", body | {"password": f"Sesame-Nr-{n}-Opens!"})
    )
    assert outcomes(answers) == {"": 1, "password-reset-not-valid": RACERS - 1}
    (winner,) = [number for number, answer in enumerate(answers) if answer.status == 204]
    signed_in = scene.client().post("/v1/auth/login", {"email": email, "password": f"Sesame-Nr-{winner}-Opens!"})
    assert signed_in.status == 200


@pytest.mark.parametrize(("networks", "mailed"), [(1, 3), (RACERS, 12)], ids=["one network", "many networks"])
def test_of_many_who_ask_for_a_code_a_few_are_mailed_one(networks: int, mailed: int, scene: Scene) -> None:
    email = scene.verified()

    def ask(number: int) -> Answer:
        client = scene.client(address=f"198.51.100.{number % networks}")
        return client.post("/v1/auth/reset-password", {"email": email})

    assert outcomes(race(ask)) == {"": mailed, "too-many-mailed-codes": RACERS - mailed}
    assert count(scene, "mails") == mailed


def test_one_referral_code_is_one_members(scene: Scene) -> None:
    people = [factories.member() for _ in range(RACERS)]
    answers = race(
        lambda n: scene.client(people[n].token).put("/v1/affiliate/referral-link", {"code": "the-best-code"})
    )
    assert outcomes(answers) == {"": 1, "referral-code-taken": RACERS - 1}
