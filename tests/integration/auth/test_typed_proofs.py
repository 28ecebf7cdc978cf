"""Codes that prove something, typed as people type them: a blank is no wrong guess, and a wrong guess stays one."""

import base64
from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from shared import clock
from shared.credentials import totp
from tests.client import FunctionClient
from tests.operations.scene import PASSWORD, Scene
from tests.operations.second_factors import enrol, try_to_sign_in, wrong_code
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

ARABIC = str.maketrans("0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669")
SLIPS = ("", "12345", "1234567", "12345a", "abcde-2777", "abcde-27771", "<script>")


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def test_an_app_is_proved_by_digits_in_groups_and_of_any_script(scene: Scene) -> None:
    somebody = scene.with_password()
    client = scene.client(somebody.token)
    secret = base64.b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    step = totp.step_of(clock.now())
    grouped = f" {totp.code(secret, step)[:3]}\u00a0{totp.code(secret, step)[3:]}\n"
    assert client.post("/v1/auth/2fa/enable", {"code": grouped}).status == 200
    assert try_to_sign_in(scene, somebody.email, code=totp.code(secret, step + 1).translate(ARABIC)).status == 200


def test_a_backup_code_is_taken_with_any_dash_and_once(scene: Scene) -> None:
    enrolled = enrol(scene)
    email, code = enrolled.somebody.email, enrolled.backup_codes[0]
    typed = f"\u200b{code.upper().replace('-', chr(0x2013))} "
    assert try_to_sign_in(scene, email, code=typed).status == 200
    assert try_to_sign_in(scene, email, code=code).problem == "second-factor-wrong"


def test_what_cannot_be_a_code_of_the_app_is_no_guess(scene: Scene) -> None:
    enrolled = enrol(scene)
    before = rows_of_all_tables(scene.sql)
    for slip in SLIPS:
        answer = try_to_sign_in(scene, enrolled.somebody.email, code=slip)
        assert (answer.problem, answer.body["errors"][0]["field"]) == ("not-valid", "/code"), slip
    assert rows_of_all_tables(scene.sql) == before
    refused = try_to_sign_in(scene, enrolled.somebody.email, code=f" {wrong_code(enrolled.secret)}")
    assert refused.problem == "second-factor-wrong"
    assert scene.sql.execute_simple("SELECT failures FROM second_factors").rows == [[1]]


def test_a_mailed_code_is_read_and_what_cannot_be_one_is_no_guess(scene: Scene) -> None:
    email = scene.signed_up()
    code = scene.mailed_code(email)
    before = rows_of_all_tables(scene.sql)
    for slip in SLIPS:
        assert scene.client().post("/v1/auth/verify-email", {"email": email, "code": slip}).problem == "not-valid"
    assert rows_of_all_tables(scene.sql) == before
    other = f"{(int(code) + 1) % 10**6:06d}".translate(ARABIC)
    assert scene.client().post("/v1/auth/verify-email", {"email": email, "code": other}).status == 422
    assert scene.sql.execute_simple("SELECT attempts FROM email_codes WHERE used_at IS NULL").rows == [[1]]
    typed = f"\u00a0{code[:3]} {code[3:]}\r\n"
    assert scene.client().post("/v1/auth/verify-email", {"email": f" {email.upper()}", "code": typed}).status == 200


def test_a_password_is_reset_by_a_code_of_full_width_digits(scene: Scene) -> None:
    email, code = scene.reset_code()
    wide = code.translate({number: number + 0xFEE0 for number in range(0x30, 0x3A)})
    body = {"email": email, "code": wide, "password": "Another-Sesame-78!"}
    assert scene.client().post("/v1/auth/reset-password/confirm", body).status == 204
