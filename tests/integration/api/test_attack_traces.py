"""An attack leaves lines that say what was tried, on whom and from which network, and nothing that helps another."""

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from pg8000.dbapi import Connection

from functions.auth import rules
from shared import clock
from shared.credentials import totp
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.cheap_hashes import use_cheap_hashes
from tests.fakes.vendor_messages import signed_agechecker, signed_card, signed_selery
from tests.logs import log_lines
from tests.operations.scene import PASSWORD, Scene

Client = Callable[..., FunctionClient]

pytest_plugins = ["tests.fakes.log_plugin"]

ADDRESS = "198.51.100.66"
NETWORK = "198.51.100.0/24"
WRONG = "Wrong-Guess-88!"
IP_ADDRESS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b(?!/)")


@pytest.fixture
def scene(client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Scene:
    use_cheap_hashes(monkeypatch)
    return Scene(lambda token=None, address=ADDRESS: client(token, address), sql)


def traces(log_output: io.StringIO, message: str) -> list[dict[str, Any]]:
    return [line for line in log_lines(log_output) if line["message"] == message]


def assert_traced(log_output: io.StringIO, message: str, problem: str, member: Somebody | None) -> None:
    found = traces(log_output, message)
    assert found, message
    for line in found:
        assert (line["severity"], line["network"], line["problem"]) == ("WARNING", NETWORK, problem)
        assert line["member"] == (str(member.id) if member else None)


def assert_nothing_told(log_output: io.StringIO, *secrets: str) -> None:
    text = log_output.getvalue()
    for secret in secrets:
        assert secret.lower() not in text.lower()
    assert IP_ADDRESS.search(text) is None
    assert "@" not in text


def sign_in(scene: Scene, email: str, password: str = WRONG) -> None:
    scene.client().post("/v1/auth/login", {"email": email, "password": password})


def test_a_failed_sign_in(scene: Scene, log_output: io.StringIO) -> None:
    somebody = scene.with_password()
    sign_in(scene, somebody.email)
    assert_traced(log_output, "a sign-in failed", "sign-in-refused", somebody)
    assert_nothing_told(log_output, somebody.email, WRONG)


def test_a_failed_sign_in_of_nobody(scene: Scene, log_output: io.StringIO) -> None:
    sign_in(scene, "nobody@example.com")
    assert_traced(log_output, "a sign-in failed", "sign-in-refused", None)
    assert_nothing_told(log_output, "nobody", WRONG)


def test_a_lock_out(scene: Scene, log_output: io.StringIO) -> None:
    somebody = scene.with_password()
    for _ in range(rules.FAILED_SIGN_INS_MAX + 1):
        sign_in(scene, somebody.email)
    assert_traced(log_output, "sign-in is locked", "sign-in-refused", somebody)
    assert len(traces(log_output, "a sign-in failed")) == rules.FAILED_SIGN_INS_MAX


def test_wrong_and_locked_second_factors(scene: Scene, log_output: io.StringIO) -> None:
    somebody = scene.with_password()
    secret = factories.second_factor(somebody)
    now = totp.step_of(clock.now())
    near = {totp.code(secret, step) for step in range(now - 3, now + 4)}
    code = next(text for number in range(9) if (text := f"{number:06d}") not in near)
    for _ in range(totp.FAILURES_MAX + 1):
        scene.client(somebody.token).post("/v1/auth/2fa/backup-codes", {"code": code})
    assert_traced(log_output, "a second factor failed", "second-factor-wrong", somebody)
    assert_traced(log_output, "a second factor is locked", "second-factor-locked", somebody)
    assert len(traces(log_output, "a second factor failed")) == totp.FAILURES_MAX
    assert_nothing_told(log_output, f'"{code}"', base64.b32encode(secret).decode(), somebody.token)


def test_a_refused_role(scene: Scene, log_output: io.StringIO) -> None:
    somebody = factories.member()
    scene.client(somebody.token).get("/v1/admin/scans/flagged")
    assert_traced(log_output, "a role was refused", "not-allowed", somebody)


def test_a_reused_refresh_token(scene: Scene, log_output: io.StringIO) -> None:
    somebody = scene.with_password()
    body = {"email": somebody.email, "password": PASSWORD}
    first = scene.client().post("/v1/auth/login", body).body["refresh_token"]
    second = scene.client().post("/v1/auth/refresh", {"refresh_token": first}).body["refresh_token"]
    scene.client().post("/v1/auth/refresh", {"refresh_token": second})
    scene.client().post("/v1/auth/refresh", {"refresh_token": first})
    assert_traced(log_output, "a refresh token was used again", "token-not-valid", somebody)
    assert_nothing_told(log_output, first, second, PASSWORD)


def test_a_relinked_wallet_and_a_wrong_signature(scene: Scene, log_output: io.StringIO) -> None:
    somebody, wallets = factories.member(), [Account.create() for _ in range(2)]
    client = scene.client(somebody.token)
    for wallet in wallets:
        asked = client.post("/v1/wallet/challenge", {"address": wallet.address}).body
        for signer in (Account.create(), wallet):
            signature = signer.sign_message(encode_defunct(text=asked["message"])).signature.to_0x_hex()
            client.post("/v1/wallet/link", {"challenge_id": asked["challenge_id"], "signature": signature})
    (relinked,) = traces(log_output, "a wallet was linked in place of another")
    assert (relinked["member"], relinked["network"]) == (str(somebody.id), NETWORK)
    assert_traced(log_output, "a wallet was not proved", "wallet-signature-not-valid", somebody)
    assert_nothing_told(log_output, *(wallet.address for wallet in wallets))


def test_wrong_mailed_codes_and_passwords_that_are_not_repeated(scene: Scene, log_output: io.StringIO) -> None:
    somebody = scene.with_password()
    scene.client().post("/v1/auth/verify-email", {"email": somebody.email, "code": "123987"})
    scene.client(somebody.token).post("/v1/auth/2fa/setup", {"password": WRONG})
    assert_traced(log_output, "a mailed code was wrong", "verification-code-not-valid", None)
    assert_traced(log_output, "a password was not repeated", "password-wrong", somebody)
    assert_nothing_told(log_output, "123987", WRONG, somebody.email)


def test_a_limit_that_was_reached(scene: Scene, log_output: io.StringIO) -> None:
    for _ in range(rules.MAILED_CODES_MAX + 1):
        scene.client().post("/v1/auth/reset-password", {"email": "nobody@example.com"})
    assert_traced(log_output, "a limit was reached", "too-many-mailed-codes", None)


def test_a_vendors_message_that_is_not_signed(scene: Scene, log_output: io.StringIO) -> None:
    body = b'{"id": "evt_c4n4ry", "uuid": "c4n4ry"}'
    for unsigned in (signer(body, secret=WRONG) for signer in (signed_card, signed_selery, signed_agechecker)):
        unsigned.send(scene.client())
    assert_traced(log_output, "a vendor's message had no valid signature", "signature-not-valid", None)
    found = traces(log_output, "a vendor's message had no valid signature")
    assert [line["operation"] for line in found] == ["hear_card", "hear_selery", "hear_agechecker"]
    signatures = [value for name, value in unsigned.headers.items() if "Signature" in name]
    assert_nothing_told(log_output, "c4n4ry", *signatures)


def test_what_came_past_the_edge(scene: Scene, log_output: io.StringIO) -> None:
    scene.client().raw("users", "GET", "/v1/users/me", headers={"X-Edge-Key": "guessed"})
    (line,) = traces(log_output, "a request came past the edge or the gateway")
    assert (line["function"], line["problem"]) == ("users", "not-through-the-gateway")
    assert_nothing_told(log_output, "guessed")


def test_what_succeeds_leaves_no_trace(scene: Scene, log_output: io.StringIO) -> None:
    somebody = scene.with_password()
    sign_in(scene, somebody.email, PASSWORD)
    scene.client(somebody.token).get("/v1/users/me")
    assert {line["message"] for line in log_lines(log_output)} == {"request"}


@pytest.mark.parametrize(
    ("address", "network"), [("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"), ("203.0.113.7", "203.0.113.0/24")]
)
def test_networks_in_lines_are_coarse(address: str, network: str, scene: Scene, log_output: io.StringIO) -> None:
    scene.client(address=address).post("/v1/auth/login", {"email": "nobody@example.com", "password": WRONG})
    (line,) = traces(log_output, "a sign-in failed")
    assert line["network"] == network
    assert address not in log_output.getvalue()
