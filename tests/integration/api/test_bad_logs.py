"""No log line has a password, token, code, signature, body or address, whether things go well or wrong."""

import base64
import io
import json
from collections.abc import Callable

from eth_account import Account
from eth_account.messages import encode_defunct
from pg8000.dbapi import Connection

from emulators.mail import Fault
from shared import log
from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.logs import log_lines
from tests.platform import Platform

pytest_plugins = ["tests.fakes.log_plugin"]

Client = Callable[..., FunctionClient]

EMAIL = "quentin.quiet@secret.example"
PASSWORD = "Sesame-Open-77!"
NAME = "Quentin Quiet"
PHONE = "+17755550199"


def assert_silent(log_output: io.StringIO, *secrets: str) -> None:
    text = log_output.getvalue()
    assert len(log_lines(log_output)) >= 1
    for secret in secrets:
        assert secret
        assert secret not in text


def sign_up(client: FunctionClient, **changes: object) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "full_name": NAME, "date_of_birth": "1990-06-15", "phone": PHONE}
    client.post("/v1/auth/signup", body | changes)


def mailed_code(sql: Connection) -> str:
    return str(sql.execute_simple("SELECT parameters ->> 'code' FROM mails ORDER BY queued_at DESC LIMIT 1").rows[0][0])


def test_signing_up_and_in_and_out_logs_no_secret(client: Client, sql: Connection, log_output: io.StringIO) -> None:
    nobody = client()
    sign_up(nobody)
    code = mailed_code(sql)
    wrong = "000000" if code != "000000" else "000001"
    nobody.post("/v1/auth/verify-email", {"email": EMAIL, "code": wrong})
    nobody.post("/v1/auth/verify-email", {"email": EMAIL, "code": code})
    nobody.post("/v1/auth/login", {"email": EMAIL, "password": f"{PASSWORD}x"})
    first = nobody.post("/v1/auth/login", {"email": EMAIL, "password": PASSWORD}).body
    second = nobody.post("/v1/auth/refresh", {"refresh_token": first["refresh_token"]}).body
    third = nobody.post("/v1/auth/refresh", {"refresh_token": second["refresh_token"]}).body
    nobody.post("/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    client(third["access_token"]).post("/v1/auth/logout")

    assert_silent(log_output, EMAIL, EMAIL.partition("@")[0], PASSWORD, NAME, PHONE, code, wrong)
    for tokens in (first, second, third):
        assert_silent(log_output, tokens["access_token"], tokens["refresh_token"], tokens["access_token"].split(".")[2])
    assert {line["operation"] for line in log_lines(log_output)} >= {"signup", "verify_email", "login", "refresh"}


def test_linking_a_wallet_and_scanning_logs_no_secret(client: Client, log_output: io.StringIO) -> None:
    member = client(factories.member().token)
    wallet = Account.create()
    asked = member.post("/v1/wallet/challenge", {"address": wallet.address}).body
    signature = wallet.sign_message(encode_defunct(text=asked["message"])).signature.to_0x_hex()
    other = Account.create().sign_message(encode_defunct(text=asked["message"])).signature.to_0x_hex()
    for tried in (other, signature, signature):
        member.post("/v1/wallet/link", {"challenge_id": asked["challenge_id"], "signature": tried})
    (code,) = factories.manufactured_codes(1)
    for scanned in (code, code, "AAAA-BBBB-CCCC"):
        member.post("/v1/scans/submit", {"code": scanned, "device_id": "my-secret-device"})

    nonce = asked["message"].split("Nonce: ")[1].split("\n")[0]
    assert_silent(log_output, signature, other, nonce, wallet.address, code, code.replace("-", ""), "AAAA-BBBB")
    assert_silent(log_output, str(member.token), "my-secret-device")
    assert {line["operation"] for line in log_lines(log_output)} >= {"challenge", "link", "submit"}


def test_what_cannot_be_read_is_not_logged(client: Client, log_output: io.StringIO) -> None:
    canary = "c4n4ry"
    somebody = client(factories.member(role=Role.OPERATIONS).token)
    huge = "1e99999999999999999999"
    unreadable = (canary, f'{{"{canary}": NaN}}', f'{{"email": {huge}, "password": "{canary}"}}', f"\x00{canary}")
    for body in (*(text.encode() for text in unreadable), b"\xff" + canary.encode()):
        somebody.send("POST", "/v1/auth/login", body, {"Content-Type": "application/json", "Idempotency-Key": canary})
    somebody.send("POST", "/v1/auth/login", b"{}", {"Content-Type": f"text/{canary}"})
    somebody.send("POST", "/v1/admin/qr/import-feedback", f"code\n{canary}".encode(), {"Content-Type": "text/csv"})
    somebody.raw("users", "GET", f"/v1/{canary}?{canary}={canary}", headers={"User-Agent": canary, "Referer": canary})
    somebody.raw("users", "GET", "/v1/users/me", headers={"X-Forwarded-Authorization": f"Bearer {canary}"})
    somebody.raw("users", "GET", "/v1/users/me", headers={"Authorization": f"Bearer {canary}"})

    assert_silent(log_output, canary)
    assert len([line for line in log_lines(log_output) if line["message"] == "request"]) == 10


def test_the_service_tokens_of_callers_are_not_logged(
    client: Client, platform: Platform, log_output: io.StringIO
) -> None:
    somebody = client(factories.member().token)
    somebody.get("/v1/users/me")
    somebody.raw("email_send", "POST", "/", b"{}", {"Authorization": f"Bearer {platform.invoker_token('email_send')}"})
    tokens = platform.gateway_token("users"), platform.invoker_token("email_send"), str(somebody.token)
    assert_silent(log_output, *tokens)


def deliver_mail(platform: Platform, sql: Connection) -> int:
    """Have email_send told of the newest mail, as its subscription would; the status of its answer."""
    mail_id = sql.execute_simple("SELECT id FROM mails ORDER BY queued_at DESC LIMIT 1").rows[0][0]
    data = base64.b64encode(json.dumps({"mail_id": str(mail_id)}).encode()).decode()
    message = {"messageId": "1", "attributes": {"topic": "mail-queued"}, "data": data}
    function_client = FunctionClient(platform.invoker_token)
    return function_client.raw("email_send", "POST", "/", json.dumps({"message": message}).encode()).status_code


def test_a_mail_is_sent_or_not_without_its_text_or_its_reader_being_logged(
    client: Client, platform: Platform, sql: Connection, log_output: io.StringIO
) -> None:
    sign_up(client())
    code = mailed_code(sql)
    platform.mail.fail_next(1, Fault.INTERNAL_ERROR)
    assert [deliver_mail(platform, sql) for _ in range(3)] == [503, 204, 204]
    sql.execute_simple("UPDATE mails SET status = 'queued', finished_at = NULL, template = 'unknown'")
    assert deliver_mail(platform, sql) == 204
    assert_silent(log_output, EMAIL, NAME, code)
    assert {line["outcome"] for line in log_lines(log_output) if "outcome" in line} >= {"done", "hopeless"}


def test_a_bug_is_logged_once_with_its_trace_and_without_what_was_sent(
    client: Client, sql: Connection, log_output: io.StringIO
) -> None:
    """Postgres names the failing row in its error, and with it everything the member has typed."""
    sql.execute_simple(f"ALTER TABLE members ADD CONSTRAINT broken CHECK (full_name <> '{NAME}')")
    answer = client().post(
        "/v1/auth/signup",
        {"email": EMAIL, "password": PASSWORD, "full_name": NAME, "date_of_birth": "1990-06-15", "phone": PHONE},
    )
    assert (answer.status, answer.problem) == (500, "internal-error")
    faults = [line for line in log_lines(log_output) if line["severity"] == "ERROR"]
    assert len(faults) == 1
    assert "functions/auth/store.py" in faults[0]["stack_trace"]
    assert_silent(log_output, EMAIL, PASSWORD, PHONE, "argon2id")


def test_a_violated_unique_index_does_not_tell_whose_value_it_is(
    client: Client, sql: Connection, log_output: io.StringIO
) -> None:
    sql.execute_simple("CREATE UNIQUE INDEX broken ON mails (to_email)")
    sign_up(client())
    sql.execute_simple("UPDATE members SET email = 'somebody.else@example.com'")
    sign_up(client(), username="another")
    assert [line["severity"] for line in log_lines(log_output)].count("ERROR") == 1
    assert_silent(log_output, EMAIL, PASSWORD, PHONE, mailed_code(sql))


def test_every_request_is_one_line_with_its_outcome(client: Client, log_output: io.StringIO) -> None:
    somebody = client(factories.member().token)
    somebody.send("GET", "/v1/users/me", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    (line,) = log_lines(log_output)
    assert (line["severity"], line["message"], line["operation"], line["status"]) == ("INFO", "request", "get_me", 200)
    assert line["trace"] == "a" * 32


def test_a_line_stays_one_line_whatever_is_in_it(log_output: io.StringIO) -> None:
    said = "a\r\nb\u2028c\x85d\x1b[2Je\u202ef\x9bg"
    log.info("said", said=said)
    (line,) = log_lines(log_output)
    assert line["said"] == said
    assert log_output.getvalue().removesuffix("\n").isprintable()
