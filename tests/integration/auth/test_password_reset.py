"""A forgotten or changed password: by a mailed code, three in an hour, and nobody stays signed in."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from shared.credentials import mailed_codes
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.operations.scene import PASSWORD, Scene
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

NEW = "Another-Sesame-9!"
WRONG = "Wrong-Guess-88!"
CONFIRM = "/v1/auth/reset-password/confirm"
ASKING = ["/v1/auth/reset-password", "/v1/auth/verify-email/resend"]


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def confirm(scene: Scene, email: str, code: str, password: str = NEW) -> Answer:
    return scene.client().post(CONFIRM, {"email": email, "code": code, "password": password})


def sign_in(scene: Scene, email: str, password: str) -> Answer:
    return scene.client().post("/v1/auth/login", {"email": email, "password": password})


def revoked(scene: Scene) -> list[str]:
    """The members whose realtime tokens are revoked, as Firestore is told."""
    told = scene.sql.execute_simple(
        "SELECT email FROM outbox JOIN listener_revocations ON CAST(member_id AS text) = body ->> 'member_id' "
        "JOIN members ON members.id = member_id WHERE destination = 'listener-revoked'"
    )
    return [email for (email,) in told.rows]


def test_the_mailed_code_sets_a_new_password_once(scene: Scene) -> None:
    email, code = scene.reset_code()
    assert confirm(scene, email.upper(), code).status == 204
    again = confirm(scene, email, code, "A-Third-Sesame-9!")
    assert (again.status, again.problem) == (422, "password-reset-not-valid")
    assert sign_in(scene, email, NEW).status == 200
    assert sign_in(scene, email, PASSWORD).problem == "sign-in-refused"


def test_everybody_is_signed_out_and_the_member_is_told(scene: Scene) -> None:
    email = scene.verified()
    tokens = sign_in(scene, email, PASSWORD).body
    scene.client().post("/v1/auth/reset-password", {"email": email})
    confirm(scene, email, scene.mailed_code(email))
    assert scene.client(tokens["access_token"]).get("/v1/users/me").status == 401
    assert scene.client().post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status == 401
    assert scene.sql.execute_simple("SELECT end_reason FROM sessions").rows == [["password changed"]]
    assert scene.sql.execute_simple("SELECT count(*) FROM known_devices").rows == [[0]]
    assert scene.sql.execute_simple("SELECT template FROM mails ORDER BY queued_at").rows == [
        ["new_device"],
        ["reset_password"],
        ["password_changed"],
    ]
    assert revoked(scene) == [email]


def test_a_wrong_used_expired_or_foreign_code_gets_one_answer(scene: Scene, tmp_path: Path) -> None:
    (email, code), (other, others) = scene.reset_code(), scene.reset_code()
    wrong = next(text for number in range(3) if (text := f"{number:06d}") not in (code, others))
    answers = [confirm(scene, email, wrong), confirm(scene, "nobody@example.com", code), confirm(scene, other, code)]
    with moved_clock(tmp_path, mailed_codes.LIFE + timedelta(seconds=1)):
        answers.append(confirm(scene, email, code))
    assert {(answer.status, str(answer.body)) for answer in answers} == {(422, str(answers[0].body))}
    assert sign_in(scene, email, PASSWORD).status == 200


def test_a_code_to_prove_an_address_resets_no_password(scene: Scene) -> None:
    email = scene.signed_up()
    scene.sql.execute_simple("UPDATE members SET email_verified_at = now()")
    assert confirm(scene, email, scene.mailed_code(email)).problem == "password-reset-not-valid"


def test_five_wrong_guesses_use_the_code_up(scene: Scene) -> None:
    email, code = scene.reset_code()
    scene.sql.execute_simple("UPDATE email_codes SET attempts = 4")
    confirm(scene, email, f"{(int(code) + 1) % 1_000_000:06d}")
    assert confirm(scene, email, code).problem == "password-reset-not-valid"


def test_a_weak_password_does_not_use_the_code_up(scene: Scene) -> None:
    email, code = scene.reset_code()
    assert confirm(scene, email, code, "password").problem == "password-too-weak"
    assert confirm(scene, email, code).status == 204


def test_a_later_code_replaces_the_earlier_one(scene: Scene) -> None:
    email, first = scene.reset_code()
    scene.client().post("/v1/auth/reset-password", {"email": email})
    second = scene.mailed_code(email)
    assert first == second or confirm(scene, email, first).problem == "password-reset-not-valid"
    assert confirm(scene, email, second).status == 204


def test_when_a_code_was_used_stays_what_it_was(scene: Scene, tmp_path: Path) -> None:
    email, code = scene.reset_code()
    confirm(scene, email, code)
    used = scene.sql.execute_simple("SELECT id, used_at FROM email_codes").rows
    with moved_clock(tmp_path, timedelta(minutes=5)):
        scene.client().post("/v1/auth/reset-password", {"email": email})
    assert used[0][1]
    assert scene.sql.execute_simple("SELECT id, used_at FROM email_codes ORDER BY created_at LIMIT 1").rows == used


@pytest.mark.parametrize("path", ASKING)
def test_three_codes_in_an_hour_and_network_and_the_same_answer_for_nobody(
    path: str, scene: Scene, tmp_path: Path
) -> None:
    """The limit over all networks is tested in test_recovery_denied.py."""
    member = scene.signed_up() if "resend" in path else scene.verified()
    for email in (member, "nobody@example.com"):
        answers = [scene.client(address="203.0.113.9").post(path, {"email": email}) for _ in range(4)]
        assert [answer.status for answer in answers] == [202, 202, 202, 429], email
        assert answers[0].body == {"expires_in": 900}
        assert answers[3].problem == "too-many-mailed-codes"
        assert 0 < int(answers[3].headers["Retry-After"]) <= 3600
    mailed = 4 if "resend" in path else 3  # one came with the sign-up
    assert scene.sql.execute_simple("SELECT count(*) FROM mails").rows == [[mailed]]
    with moved_clock(tmp_path, timedelta(hours=1)):
        assert scene.client(address="203.0.113.9").post(path, {"email": member.upper()}).status == 202


@pytest.mark.parametrize("path", ASKING)
def test_from_one_network_not_everybody_is_mailed(path: str, scene: Scene) -> None:
    scene.client(address="2001:db8::1").post(path, {"email": "nobody@example.com"})
    scene.sql.execute_simple("UPDATE attempt_counters SET attempts = 500")
    refused = scene.client(address="2001:db8::ffff:ffff").post(path, {"email": "somebody@example.com"})
    other = scene.client(address="2001:db8:0:1::1").post(path, {"email": "somebody@example.com"})
    assert (refused.status, other.status) == (429, 202)


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_suspended_members_are_mailed_nothing(status: str, scene: Scene) -> None:
    email = scene.verified()
    scene.sql.execute_unnamed("UPDATE members SET status = $1", (status,))
    assert scene.client().post("/v1/auth/reset-password", {"email": email}).status == 202
    assert scene.sql.execute_simple("SELECT count(*) FROM mails").rows == [[0]]


def test_a_proved_address_is_mailed_no_code_to_prove_it(scene: Scene) -> None:
    assert scene.client().post("/v1/auth/verify-email/resend", {"email": scene.verified()}).status == 202
    assert scene.sql.execute_simple("SELECT count(*) FROM mails").rows == [[0]]


def test_a_code_that_was_sent_again_proves_the_address(scene: Scene) -> None:
    email = scene.signed_up()
    scene.client().post("/v1/auth/verify-email/resend", {"email": email})
    body = {"email": email, "code": scene.mailed_code(email)}
    assert scene.client().post("/v1/auth/verify-email", body).status == 200


def test_whoever_knows_the_password_changes_it_and_is_signed_out_too(scene: Scene) -> None:
    somebody = scene.with_password()
    mobile = scene.client().post(
        "/v1/auth/login", {"email": somebody.email, "password": PASSWORD, "device": {"kind": "mobile"}}
    )
    client, body = scene.client(somebody.token), {"current_password": PASSWORD, "password": NEW}
    before = rows_of_all_tables(scene.sql, without=("attempt_counters",))
    assert revoked(scene) == []
    assert client.post("/v1/auth/password", body | {"current_password": WRONG}).problem == "password-wrong"
    assert client.post("/v1/auth/password", body | {"password": somebody.email}).problem == "password-too-weak"
    assert rows_of_all_tables(scene.sql, without=("attempt_counters",)) == before
    assert client.post("/v1/auth/password", body).status == 204
    assert client.get("/v1/users/me").status == 401
    assert revoked(scene) == [somebody.email]
    assert scene.client(mobile.body["access_token"]).get("/v1/users/me").status == 401
    assert sign_in(scene, somebody.email, NEW).status == 200


def test_other_members_stay_signed_in(scene: Scene) -> None:
    other = factories.member()
    email, code = scene.reset_code()
    confirm(scene, email, code)
    assert scene.client(other.token).get("/v1/users/me").status == 200
