"""Two-factor authentication from the first QR code to its end, and what sign-in asks for meanwhile."""

import base64
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from pg8000.dbapi import Connection

from shared import clock
from shared.auth import Role
from shared.credentials import totp
from tests.client import FunctionClient
from tests.operations.scene import PASSWORD, Scene
from tests.operations.second_factors import EnrolledMember, enrol, try_to_sign_in, wrong_code
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

WRONG = "Wrong-Guess-88!"


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


@pytest.fixture
def enrolled(scene: Scene) -> EnrolledMember:
    return enrol(scene)


def test_the_setup_shows_one_secret_as_qr_code_as_link_and_by_hand(scene: Scene) -> None:
    somebody = scene.with_password()
    answer = scene.client(somebody.token).post("/v1/auth/2fa/setup", {"password": PASSWORD})
    uri = urlsplit(answer.body["uri"])
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", f"/BlakJaks:{somebody.email.replace('@', '%40')}")
    assert parse_qs(uri.query) == {"secret": [answer.body["secret"]], "issuer": ["BlakJaks"]}
    assert len(base64.b32decode(answer.body["secret"])) == 20
    png = base64.b64decode(answer.body["qr_png"])
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.endswith(b"IEND\xaeB`\x82")
    assert answer.headers["Cache-Control"] == "no-store"


def test_until_a_code_has_proved_the_app_sign_in_asks_for_none(scene: Scene) -> None:
    somebody = scene.with_password()
    scene.client(somebody.token).post("/v1/auth/2fa/setup", {"password": PASSWORD})
    assert try_to_sign_in(scene, somebody.email).status == 200


def test_a_stolen_session_without_the_password_sets_nothing_up(scene: Scene) -> None:
    client = scene.client(scene.with_password().token)
    before = rows_of_all_tables(scene.sql, without=("attempt_counters",))
    answer = client.post("/v1/auth/2fa/setup", {"password": WRONG})
    assert (answer.status, answer.problem) == (403, "password-wrong")
    assert rows_of_all_tables(scene.sql, without=("attempt_counters",)) == before


def test_ten_wrong_passwords_in_an_hour_and_the_right_one_is_refused_too(scene: Scene) -> None:
    somebody = scene.with_password()
    client = scene.client(somebody.token)
    client.post("/v1/auth/2fa/setup", {"password": WRONG})
    scene.sql.execute_simple("UPDATE attempt_counters SET attempts = 10")
    assert client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).problem == "password-wrong"


def test_a_wrong_code_does_not_enable_and_a_second_setup_replaces_the_first(scene: Scene) -> None:
    client = scene.client(scene.with_password().token)
    first, second = (
        base64.b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"]) for _ in range(2)
    )
    step = totp.step_of(clock.now())
    assert client.post("/v1/auth/2fa/enable", {"code": wrong_code(second)}).problem == "second-factor-wrong"
    assert client.post("/v1/auth/2fa/enable", {"code": totp.code(first, step)}).problem == "second-factor-wrong"
    assert client.post("/v1/auth/2fa/enable", {"code": totp.code(second, step)}).status == 200


def test_what_was_never_set_up_cannot_be_enabled_renewed_or_disabled(scene: Scene) -> None:
    client = scene.client(scene.with_password().token)
    for path, body in {
        "enable": {"code": "123456"},
        "backup-codes": {"code": "123456"},
        "disable": {"password": PASSWORD, "code": "123456"},
    }.items():
        assert client.post(f"/v1/auth/2fa/{path}", body).problem == "second-factor-not-set-up", path


def test_an_enabled_one_is_not_set_up_over(scene: Scene, enrolled: EnrolledMember) -> None:
    client = scene.client(enrolled.somebody.token)
    assert client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).problem == "second-factor-already-set-up"
    assert client.post("/v1/auth/2fa/enable", {"code": enrolled.code()}).problem == "second-factor-already-set-up"


def test_enabling_ends_the_other_sessions_which_were_not_proved(scene: Scene) -> None:
    somebody = scene.with_password()
    mobile = try_to_sign_in(scene, somebody.email, device={"kind": "mobile"}).body["access_token"]
    enrol(scene, somebody)
    assert scene.client(somebody.token).get("/v1/users/me").status == 200
    assert scene.client(mobile).get("/v1/users/me").status == 401
    assert scene.sql.execute_simple("SELECT member_id FROM listener_revocations").rows == [[somebody.id]]


def test_sign_in_asks_for_a_code_and_tells_so_only_to_who_knows_the_password(
    scene: Scene, enrolled: EnrolledMember
) -> None:
    email = enrolled.somebody.email
    asked = try_to_sign_in(scene, email)
    assert (asked.status, asked.problem) == (403, "second-factor-needed")
    stranger = scene.client().post("/v1/auth/login", {"email": email, "password": WRONG, "code": enrolled.code()})
    assert stranger.problem == "sign-in-refused"
    assert try_to_sign_in(scene, email, code=wrong_code(enrolled.secret)).problem == "second-factor-wrong"
    assert try_to_sign_in(scene, email, code=enrolled.code()).status == 200


def test_the_code_that_enabled_it_signs_nobody_in(scene: Scene) -> None:
    enrolled = enrol(scene)
    answers = [try_to_sign_in(scene, enrolled.somebody.email, code=enrolled.code(steps)).problem for steps in (0, 1, 1)]
    assert answers == ["second-factor-used", "", "second-factor-used"]


def test_wrong_codes_are_counted_although_they_are_refused(scene: Scene, enrolled: EnrolledMember) -> None:
    try_to_sign_in(scene, enrolled.somebody.email, code=wrong_code(enrolled.secret))
    try_to_sign_in(scene, enrolled.somebody.email, code="aaaaa-aaaaa")
    assert scene.sql.execute_simple("SELECT failures FROM second_factors").rows == [[2]]
    scene.sql.execute_simple("UPDATE second_factors SET failures = 10")
    for code in (enrolled.code(), enrolled.backup_codes[0]):
        answer = try_to_sign_in(scene, enrolled.somebody.email, code=code)
        assert (answer.status, answer.problem) == (429, "second-factor-locked")
        assert 0 < int(answer.headers["Retry-After"]) <= 3600


def test_a_wrong_code_that_is_sent_again_under_its_key_is_counted_once(scene: Scene, enrolled: EnrolledMember) -> None:
    body = {"email": enrolled.somebody.email, "password": PASSWORD, "code": "aaaaa-aaaaa"}
    for _ in range(2):
        answer = scene.client().post("/v1/auth/login", body, **{"Idempotency-Key": "once"})
        assert answer.problem == "second-factor-wrong"
    assert scene.sql.execute_simple("SELECT failures FROM second_factors").rows == [[1]]


def test_ten_backup_codes_sign_in_once_each_however_they_are_typed(scene: Scene, enrolled: EnrolledMember) -> None:
    email, codes = enrolled.somebody.email, enrolled.backup_codes
    assert len(set(codes)) == 10
    assert try_to_sign_in(scene, email, code=codes[0]).status == 200
    assert try_to_sign_in(scene, email, code=codes[1].replace("-", "").upper()).status == 200
    assert try_to_sign_in(scene, email, code=codes[0]).problem == "second-factor-wrong"
    state = scene.client(try_to_sign_in(scene, email, code=codes[2]).body["access_token"]).get("/v1/auth/2fa")
    assert state.body == {"enabled": True, "backup_codes_left": 7}


def test_one_members_backup_code_is_not_anothers(scene: Scene, enrolled: EnrolledMember) -> None:
    other = enrol(scene)
    assert try_to_sign_in(scene, other.somebody.email, code=enrolled.backup_codes[0]).problem == "second-factor-wrong"


def test_new_backup_codes_replace_the_old_ones(scene: Scene, enrolled: EnrolledMember) -> None:
    client = scene.client(enrolled.somebody.token)
    renewed = client.post("/v1/auth/2fa/backup-codes", {"code": enrolled.code()}).body["backup_codes"]
    assert not set(renewed) & set(enrolled.backup_codes)
    assert (
        try_to_sign_in(scene, enrolled.somebody.email, code=enrolled.backup_codes[0]).problem == "second-factor-wrong"
    )
    assert try_to_sign_in(scene, enrolled.somebody.email, code=renewed[0]).status == 200


def test_codes_are_nowhere_in_plain(scene: Scene, enrolled: EnrolledMember) -> None:
    stored = "".join(
        str(row)
        for table in ("second_factors", "backup_codes", "idempotency_keys", "outbox", "audit_logs")
        for row in scene.sql.execute_simple(f"SELECT row_::text FROM {table} AS row_").rows
    )
    secrets = [enrolled.secret.hex(), base64.b32encode(enrolled.secret).decode(), *enrolled.backup_codes]
    assert not [secret for secret in secrets if secret in stored]


def test_it_ends_with_the_password_and_a_code_and_not_without(scene: Scene, enrolled: EnrolledMember) -> None:
    client, path = scene.client(enrolled.somebody.token), "/v1/auth/2fa/disable"
    assert client.post(path, {"password": WRONG, "code": enrolled.code()}).problem == "password-wrong"
    wrong = {"password": PASSWORD, "code": wrong_code(enrolled.secret)}
    assert client.post(path, wrong).problem == "second-factor-wrong"
    assert client.get("/v1/auth/2fa").body["enabled"]
    assert client.post(path, {"password": PASSWORD, "code": enrolled.code()}).status == 204
    assert client.get("/v1/auth/2fa").body == {"enabled": False, "backup_codes_left": 0}
    assert try_to_sign_in(scene, enrolled.somebody.email).status == 200


def test_who_lost_the_phone_ends_it_with_a_backup_code(scene: Scene, enrolled: EnrolledMember) -> None:
    body = {"password": PASSWORD, "code": enrolled.backup_codes[9]}
    assert scene.client(enrolled.somebody.token).post("/v1/auth/2fa/disable", body).status == 204


def test_a_new_password_by_mail_does_not_get_around_it(scene: Scene, enrolled: EnrolledMember) -> None:
    email = enrolled.somebody.email
    scene.client().post("/v1/auth/reset-password", {"email": email})
    body = {"email": email, "code": scene.mailed_code(email), "password": "Another-Sesame-9!"}
    assert scene.client().post("/v1/auth/reset-password/confirm", body).status == 204
    answer = scene.client().post("/v1/auth/login", {"email": email, "password": "Another-Sesame-9!"})
    assert answer.problem == "second-factor-needed"


def test_admins_without_it_do_nothing_as_admins_but_may_set_it_up(scene: Scene) -> None:
    somebody, path = scene.with_password(), "/v1/admin/qr/batches"
    scene.sql.execute_unnamed("UPDATE members SET role = $1 WHERE id = $2", (Role.OPERATIONS.value, somebody.id))
    client = scene.client(somebody.token)
    assert (client.get(path).status, client.get(path).problem) == (403, "second-factor-required")
    assert client.get("/v1/users/me").status == 200

    enrolled = enrol(scene, somebody)
    assert client.get(path).status == 200

    body = {"password": PASSWORD, "code": enrolled.code()}
    assert client.post("/v1/auth/2fa/disable", body).status == 204
    assert client.get(path).problem == "second-factor-required"


def test_an_admin_who_signs_in_with_a_code_is_proved(scene: Scene) -> None:
    somebody = scene.with_password()
    scene.sql.execute_unnamed("UPDATE members SET role = $1 WHERE id = $2", (Role.OPERATIONS.value, somebody.id))
    enrolled = enrol(scene, somebody)
    token = try_to_sign_in(scene, somebody.email, code=enrolled.code()).body["access_token"]
    assert scene.client(token).get("/v1/admin/qr/batches").status == 200
