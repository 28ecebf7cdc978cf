"""Signing in and proving an address: one answer for every reason, a limit on guesses, and nothing told to strangers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import extract_parameters
from pg8000.dbapi import Connection

from functions.auth import passwords
from shared.credentials import mailed_codes
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.operations.scene import PASSWORD, Scene
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

GUESSES = 10
WRONG = "Wrong-Guess-88!"


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def sign_in(scene: Scene, email: str, password: str = PASSWORD, address: str = "203.0.113.7") -> Answer:
    return scene.client(address=address).post("/v1/auth/login", {"email": email, "password": password})


def prove(scene: Scene, email: str, code: str) -> Answer:
    return scene.client().post("/v1/auth/verify-email", {"email": email, "code": code})


def other_than(code: str, count: int) -> list[str]:
    return [f"{(int(code) + step) % 1_000_000:06d}" for step in range(1, count + 1)]


def failed(scene: Scene, email: str, address: str, attempts: int) -> None:
    """As if somebody had failed so often within this hour; each real failure takes a password hash."""
    sign_in(scene, email, WRONG, address)
    scene.sql.execute_unnamed("UPDATE attempt_counters SET attempts = $1", (attempts,))


def test_an_unknown_address_and_a_wrong_password_get_one_answer(scene: Scene) -> None:
    email = scene.verified()
    answers = [
        sign_in(scene, email, WRONG),
        sign_in(scene, "nobody@example.com"),
        sign_in(scene, "nobody@example.com", WRONG),
        sign_in(scene, email, PASSWORD.lower()),
        sign_in(scene, email, f" {PASSWORD}"),
    ]
    assert {(answer.status, answer.problem, str(answer.body)) for answer in answers} == {
        (403, "sign-in-refused", str(answers[0].body))
    }
    assert scene.sql.execute_simple("SELECT count(*) FROM sessions").rows == [[0]]


def test_nobodys_password_takes_as_long_to_compare_as_a_members() -> None:
    """The stand-in hash is computed with the parameters that real ones have."""
    assert extract_parameters(passwords._NOBODY) == extract_parameters(factories.password_hash(PASSWORD))
    assert not passwords.compared(PASSWORD, None, passwords.STRANGERS, "tests").right


def test_after_ten_failures_in_an_hour_the_right_password_is_refused_too(scene: Scene) -> None:
    email = scene.verified()
    failed(scene, email, "203.0.113.7", GUESSES - 1)
    assert sign_in(scene, email).status == 200
    sign_in(scene, email, WRONG)
    locked = sign_in(scene, email)
    assert (locked.status, locked.problem) == (403, "sign-in-refused")
    assert str(locked.body) == str(sign_in(scene, "nobody@example.com").body)


def test_the_lock_is_for_one_account_and_one_network(scene: Scene) -> None:
    email, other = scene.verified(), scene.verified()
    failed(scene, email, "203.0.113.7", GUESSES)
    assert sign_in(scene, email, address="198.51.100.9").status == 200
    assert sign_in(scene, other, address="203.0.113.7").status == 200


def test_the_lock_opens_with_the_next_hour(scene: Scene, tmp_path: Path) -> None:
    email = scene.verified()
    failed(scene, email, "203.0.113.7", GUESSES)
    with moved_clock(tmp_path, timedelta(hours=1)):
        assert sign_in(scene, email).status == 200


def test_the_lock_knows_an_address_in_whatever_capitals(scene: Scene) -> None:
    email = scene.verified()
    failed(scene, email.upper(), "203.0.113.7", GUESSES)
    assert sign_in(scene, f" {email.title()} ").problem == "sign-in-refused"


def test_an_address_is_known_in_whatever_capitals(scene: Scene) -> None:
    assert sign_in(scene, f"  {scene.verified().upper()} ").status == 200


def test_only_somebody_who_knows_the_password_is_told_to_verify_the_address(scene: Scene) -> None:
    email = scene.signed_up()
    told, stranger = sign_in(scene, email), sign_in(scene, email, WRONG)
    assert (told.status, told.problem) == (403, "email-not-verified")
    assert (stranger.status, stranger.problem) == (403, "sign-in-refused")


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_a_suspended_member_cannot_sign_in(status: str, scene: Scene) -> None:
    email = scene.verified()
    scene.sql.execute_unnamed("UPDATE members SET status = $1", (status,))
    answer, stranger = sign_in(scene, email), sign_in(scene, email, WRONG)
    assert (answer.status, answer.problem) == (403, "member-suspended")
    assert stranger.problem == "sign-in-refused"


def test_the_mailed_code_proves_the_address_once(scene: Scene) -> None:
    email = scene.signed_up()
    code = scene.mailed_code(email)
    assert prove(scene, email.upper(), code).body == {"email_verified": True}
    again = prove(scene, email, code)
    assert (again.status, again.problem) == (422, "verification-code-not-valid")
    assert sign_in(scene, email).status == 200


def test_a_wrong_used_expired_or_foreign_code_gets_one_answer(scene: Scene, tmp_path: Path) -> None:
    email, other = scene.signed_up(), scene.signed_up()
    code = scene.mailed_code(email)
    wrong = next(guess for guess in other_than(code, 2) if guess != scene.mailed_code(other))
    answers = [prove(scene, email, wrong), prove(scene, "nobody@example.com", code), prove(scene, other, code)]
    with moved_clock(tmp_path, mailed_codes.LIFE + timedelta(seconds=1)):
        answers.append(prove(scene, email, code))
    prove(scene, email, code)
    answers.append(prove(scene, email, code))
    assert {(answer.status, str(answer.body)) for answer in answers} == {(422, str(answers[0].body))}
    assert scene.sql.execute_simple("SELECT count(email_verified_at) FROM members").rows == [[1]]


def test_five_wrong_guesses_use_the_code_up(scene: Scene) -> None:
    email = scene.signed_up()
    code = scene.mailed_code(email)
    for guess in other_than(code, mailed_codes.ATTEMPTS_MAX):
        assert prove(scene, email, guess).status == 422
    assert prove(scene, email, code).problem == "verification-code-not-valid"


def test_four_wrong_guesses_do_not(scene: Scene) -> None:
    email = scene.signed_up()
    code = scene.mailed_code(email)
    for guess in other_than(code, mailed_codes.ATTEMPTS_MAX - 1):
        prove(scene, email, guess)
    assert prove(scene, email, code).status == 200


def test_guessing_side_by_side_gives_no_more_guesses(scene: Scene) -> None:
    email = scene.signed_up()
    code = scene.mailed_code(email)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda guess: prove(scene, email, guess), other_than(code, 40)))
    assert scene.sql.execute_simple("SELECT attempts FROM email_codes").rows == [[mailed_codes.ATTEMPTS_MAX]]
    assert prove(scene, email, code).status == 422


def test_a_refused_proof_changes_nothing_but_the_count_of_guesses(scene: Scene) -> None:
    email = scene.signed_up()
    wrong = other_than(scene.mailed_code(email), 1)[0]
    before = rows_of_all_tables(scene.sql, without=("email_codes", "attempt_counters"))
    prove(scene, email, wrong)
    prove(scene, "nobody@example.com", wrong)
    assert rows_of_all_tables(scene.sql, without=("email_codes", "attempt_counters")) == before


def test_a_sign_in_is_remembered_with_its_time_and_place(scene: Scene) -> None:
    email = scene.verified()
    before = datetime.now(UTC)
    sign_in(scene, email, address="198.51.100.9")
    ((address, last_login),) = scene.sql.execute_simple(
        "SELECT host(s.ip_address), m.last_login_at FROM sessions s JOIN members m ON m.id = s.member_id"
    ).rows
    assert address == "198.51.100.9"
    assert before <= last_login <= datetime.now(UTC)


def test_an_account_whose_password_was_erased_is_like_nobodys(scene: Scene) -> None:
    email = scene.verified()
    for stored in ("", "none", "$argon2id$v=19$m=65536,t=3,p=4$bm8$bm8"):
        scene.sql.execute_unnamed("UPDATE members SET password_hash = $1", (stored,))
        assert sign_in(scene, email).problem == "sign-in-refused"
