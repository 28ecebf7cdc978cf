"""Every limit holds when each try is refused: what is counted stays counted, whatever becomes of the request.

A limited operation that is not in the table fails the first test.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from functions.admin_banks import rules as bank_rules
from functions.affiliate import rules as affiliate_rules
from functions.auth import rules as auth_rules
from functions.oobit import rules as oobit_rules
from functions.profile import rules as profile_rules
from functions.social import rules as chat_rules
from functions.wallet import rules as wallet_rules
from functions.wholesale import rules as wholesale_rules
from shared import auth, clock
from shared.api import Api
from shared.auth import Role
from shared.credentials import totp
from shared.orders import tax_quotes
from shared.values.ids import NIL
from shared.values.problems import TooManyRequests
from shared.web.in_transaction import Route
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.fakes import pictures
from tests.fakes.cheap_hashes import use_cheap_hashes
from tests.fakes.order_client import ADDRESS
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.wholesale_client import application
from tests.operations.scene import PASSWORD, Scene

Client = Callable[..., FunctionClient]
Prepare = Callable[[Scene], Callable[[], Answer]]

WRONG = "Wrong-Guess-88!"
HALF_MINUTE = 30
NOT_429 = {"sign-in-refused", "password-wrong"}  # they do not tell a locked account from a wrong password
GUESSES_PER_HOUR_MAX = 30  # the setting of that name
FEW_SECONDS = 30  # more than these tests take


@dataclass(frozen=True)
class Limited:
    """An operation with a limit: what each try is told, how many there may be, and what the next one is told.

    `attempt` makes the same try each time. `final` is the try after the last, if it is another one: a right password.
    """

    refused: str
    tries_max: int
    told: str
    attempt: Prepare
    final: Prepare | None = None


def posting(path: str, body: Mapping[str, object], *, signed_in: bool = False) -> Prepare:
    def prepare(scene: Scene) -> Callable[[], Answer]:
        client = scene.client(somebody(scene).token if signed_in else None)
        return lambda: client.post(path, body)

    return prepare


@cache
def somebody(scene: Scene) -> factories.Somebody:
    """The same member each time a scene is asked, with PASSWORD and a session."""
    made = scene.with_password()
    scene.sql.execute_unnamed("UPDATE members SET email = 'limited@example.com' WHERE id = $1", (made.id,))
    return made


def sign_up(scene: Scene) -> Callable[[], Answer]:
    taken = {"email": scene.verified(), "password": PASSWORD, "full_name": "A", "date_of_birth": "1990-01-01"}
    return lambda: scene.client().post("/v1/auth/signup", taken)


def sign_in(password: str) -> Prepare:
    def prepare(scene: Scene) -> Callable[[], Answer]:
        somebody(scene)
        body = {"email": "limited@example.com", "password": password}
        return lambda: scene.client().post("/v1/auth/login", body)

    return prepare


def enable(scene: Scene) -> Callable[[], Answer]:
    client = scene.client(somebody(scene).token)
    client.post("/v1/auth/2fa/setup", {"password": PASSWORD})
    return lambda: client.post("/v1/auth/2fa/enable", {"code": "000000"})


def renew_backup_codes(scene: Scene) -> Callable[[], Answer]:
    factories.second_factor(somebody(scene))
    client = scene.client(somebody(scene).token)
    return lambda: client.post("/v1/auth/2fa/backup-codes", {"code": "000000"})


def prove_second_factor(scene: Scene) -> Callable[[], Answer]:
    factories.second_factor(somebody(scene))
    client = scene.client(somebody(scene).token)
    return lambda: client.post("/v1/auth/2fa/prove", {"code": "000000"})


def change_address(scene: Scene) -> Callable[[], Answer]:
    client, taken = scene.client(somebody(scene).token), scene.verified()
    body = json.dumps({"username": "limited", "full_name": "A", "email": taken}).encode()
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    return lambda: client.send("PUT", "/v1/users/me/profile", body, headers)


def upload(path: str) -> Prepare:
    """A file that is no picture."""

    def prepare(scene: Scene) -> Callable[[], Answer]:
        client = scene.client(somebody(scene).token)
        body, headers = pictures.form(b"no picture")
        return lambda: client.send("POST", path, body, headers)

    return prepare


def withdraw(scene: Scene) -> Callable[[], Answer]:
    client = scene.client(somebody(scene).token)
    body = {"to_address": "0x8617E340B3D01FA5F11F306F4090FD50E238070D", "amount": 25}
    numbers = iter(range(100))
    return lambda: client.post("/v1/wallet/withdraw", body, **{"Idempotency-Key": f"try-{next(numbers)}"})


def prepare_order_payment(scene: Scene) -> Callable[[], Answer]:
    client = scene.client(somebody(scene).token)
    body, numbers = {"order_id": str(uuid4())}, iter(range(100))
    return lambda: client.post("/v1/wallet/order-payments", body, **{"Idempotency-Key": f"pay-{next(numbers)}"})


def create_account_webhook(scene: Scene) -> Callable[[], Answer]:
    client, numbers = scene.client(somebody(scene).token), iter(range(100))
    body = {"url": "https://receiver.test/", "events": ["order.shipped"]}
    return lambda: client.post("/v1/wholesale/webhooks", body, **{"Idempotency-Key": f"hook-{next(numbers)}"})


def scan(scene: Scene) -> Callable[[], Answer]:
    client = scene.client(somebody(scene).token)
    return lambda: client.post("/v1/scans/submit", {"code": "AAAA-AAAA-AAAA"})


def apply_for_wholesale(scene: Scene) -> Callable[[], Answer]:
    client, body = scene.client(somebody(scene).token), application()
    assert client.post("/v1/wholesale/apply", body).status == 201
    scene.sql.execute_simple("DELETE FROM attempt_counters")
    return lambda: client.post("/v1/wholesale/apply", body)


def try_banks(path: str, *left_out: str) -> Prepare:
    """An owner sends again and again what Teller Connect has not signed."""

    def prepare(scene: Scene) -> Callable[[], Answer]:
        client = treasury_admin(scene.client, Role.OWNER).client
        body = {"nonce": str(uuid4()), "access_token": "t", "user_id": "u", "enrollment_id": "e", "accounts": [],
                "signatures": ["A" * 86 + "=="], "totp": "000000"}  # fmt: skip
        asked = {name: value for name, value in body.items() if name not in left_out}
        return lambda: client.post(path, asked)

    return prepare


def ask_for_nonces(scene: Scene) -> Callable[[], Answer]:
    client = treasury_admin(scene.client, Role.OWNER).client
    return lambda: client.post("/v1/admin/banks/nonces")


LIMITS: dict[str, Limited] = {
    "create_bank_nonce": Limited("", bank_rules.TRIES_PER_HOUR_MAX, "too-many-bank-tries", ask_for_nonces),
    "connect_bank": Limited(
        "second-factor-wrong", totp.FAILURES_MAX, "second-factor-locked", try_banks("/v1/admin/banks/connect")
    ),
    "reconnect_bank": Limited(
        "second-factor-wrong", totp.FAILURES_MAX, "second-factor-locked",
        try_banks(f"/v1/admin/banks/{uuid4()}/reconnect", "accounts"),
    ),
    "signup": Limited("email-already-registered", auth_rules.SIGN_UPS_MAX, "too-many-sign-ups", sign_up),
    "verify_email": Limited(
        "verification-code-not-valid", auth_rules.NETWORK_GUESSES_MAX, "too-many-guesses",
        posting("/v1/auth/verify-email", {"email": "nobody@example.com", "code": "000000"}),
    ),
    "confirm_password_reset": Limited(
        "password-reset-not-valid", auth_rules.NETWORK_GUESSES_MAX, "too-many-guesses",
        posting("/v1/auth/reset-password/confirm",
                {"email": "nobody@example.com", "code": "000000", "password": PASSWORD}),
    ),
    "resend_verification": Limited(
        "", auth_rules.MAILED_CODES_MAX, "too-many-mailed-codes",
        posting("/v1/auth/verify-email/resend", {"email": "nobody@example.com"}),
    ),
    "request_password_reset": Limited(
        "", auth_rules.MAILED_CODES_MAX, "too-many-mailed-codes",
        posting("/v1/auth/reset-password", {"email": "nobody@example.com"}),
    ),
    "login": Limited(
        "sign-in-refused", auth_rules.FAILED_SIGN_INS_MAX, "sign-in-refused", sign_in(WRONG), sign_in(PASSWORD)
    ),
    "change_password": Limited(
        "password-wrong", auth_rules.REAUTHENTICATIONS_MAX, "password-wrong",
        posting("/v1/auth/password", {"current_password": WRONG, "password": "Another-Sesame-9!"}, signed_in=True),
        posting("/v1/auth/password", {"current_password": PASSWORD, "password": "Another-Sesame-9!"}, signed_in=True),
    ),
    "set_up_second_factor": Limited(
        "password-wrong", auth_rules.REAUTHENTICATIONS_MAX, "password-wrong",
        posting("/v1/auth/2fa/setup", {"password": WRONG}, signed_in=True),
        posting("/v1/auth/2fa/setup", {"password": PASSWORD}, signed_in=True),
    ),
    "disable_second_factor": Limited(
        "password-wrong", auth_rules.REAUTHENTICATIONS_MAX, "password-wrong",
        posting("/v1/auth/2fa/disable", {"password": WRONG, "code": "000000"}, signed_in=True),
        posting("/v1/auth/2fa/disable", {"password": PASSWORD, "code": "000000"}, signed_in=True),
    ),
    "enable_second_factor": Limited("second-factor-wrong", totp.FAILURES_MAX, "second-factor-locked", enable),
    "renew_backup_codes": Limited(
        "second-factor-wrong", totp.FAILURES_MAX, "second-factor-locked", renew_backup_codes
    ),
    "prove_second_factor": Limited(
        "second-factor-wrong", totp.FAILURES_MAX, "second-factor-locked", prove_second_factor
    ),
    "change_profile": Limited(
        "email-already-registered", profile_rules.EMAIL_CHANGES_PER_HOUR, "too-many-email-changes", change_address
    ),
    "upload_avatar": Limited(
        "picture-not-supported", profile_rules.PICTURES_TRIED_PER_HOUR, "too-many-pictures",
        upload("/v1/users/me/avatar"),
    ),
    "upload_chat_image": Limited(
        "picture-not-supported", profile_rules.PICTURES_TRIED_PER_HOUR, "too-many-images", upload("/v1/social/images")
    ),
    "prepare_order_payment": Limited(
        "wallet-not-linked", wallet_rules.WITHDRAWALS_PER_HOUR, "too-many-withdrawals", prepare_order_payment
    ),
    "withdraw": Limited("wallet-not-linked", wallet_rules.WITHDRAWALS_PER_HOUR, "too-many-withdrawals", withdraw),
    "estimate_tax": Limited(
        "cart-empty", tax_quotes.ESTIMATES_PER_HOUR, "too-many-estimates",
        posting("/v1/tax/estimate", {"shipping_address": dict(ADDRESS)}, signed_in=True),
    ),
    "create_oobit_token": Limited(
        "card-service-unavailable", oobit_rules.TOKENS_PER_HOUR_MAX, "too-many-card-tokens",
        posting("/v1/oobit/create-token", {}, signed_in=True),
    ),
    "create_wallet_token": Limited(
        "", auth_rules.WALLET_TOKENS_PER_HOUR, "too-many-wallet-tokens",
        posting("/v1/wallet/token", {}, signed_in=True),
    ),
    "create_support_token": Limited(
        "", profile_rules.SUPPORT_TOKENS_PER_HOUR, "too-many-support-tokens",
        posting("/v1/support/token", {}, signed_in=True),
    ),
    "appeal_sanction": Limited(
        "sanction-unknown", profile_rules.APPEALS_PER_HOUR, "too-many-appeals",
        posting("/v1/support/appeals", {"sanction_id": str(NIL), "message": "Why?"}, signed_in=True),
    ),
    "report_message": Limited(
        "not-found", chat_rules.REPORTS_PER_HOUR, "too-many-chat-reports",
        posting(f"/v1/social/messages/{NIL}/report", {"reason": "spam"}, signed_in=True),
    ),
    "report_member": Limited(
        "not-found", chat_rules.REPORTS_PER_HOUR, "too-many-chat-reports",
        posting(f"/v1/social/members/{NIL}/report", {"reason": "spam"}, signed_in=True),
    ),
    "apply_for_wholesale": Limited(
        "wholesale-applied-before", wholesale_rules.APPLICATIONS_PER_HOUR, "too-many-applications", apply_for_wholesale
    ),
    "create_account_webhook": Limited(
        "account-not-approved", wholesale_rules.WEBHOOKS_PER_HOUR, "too-many-webhook-tries", create_account_webhook,
    ),
    "estimate_wholesale_order": Limited(
        "account-not-approved", tax_quotes.ESTIMATES_PER_HOUR, "too-many-estimates",
        posting("/v1/wholesale/estimate", {"items": [{"sku": "MINTICE-6", "quantity": 100}]}, signed_in=True),
    ),
    "get_week_shares": Limited(
        "not-found", affiliate_rules.PARTS_PER_HOUR, "too-many-parts",
        lambda scene: lambda: scene.client().get("/v1/affiliate/weeks/2026-11-22/shares"),
    ),
    "translate_message": Limited(
        "not-found", chat_rules.TRANSLATIONS_PER_MINUTE, "too-many-translations",
        posting(f"/v1/social/messages/{NIL}/translate", {"language": "es"}, signed_in=True),
    ),
    "submit": Limited("code-not-valid", GUESSES_PER_HOUR_MAX, "too-many-wrong-codes", scan),
}  # fmt: skip
# What was done counts, and not what was tried: test_checkout.py and test_order_pages.py try those of orders,
# test_report_exports.py that of reports, social/test_posting.py that of messages.
ONLY_SUCCESSES_COUNT = {
    "too-many-scans", "too-many-renames", "too-many-orders", "too-many-declines", "too-many-tax-ids-shown",
    "too-many-addresses-shown", "too-many-exports", "too-many-reports", "posting-too-fast",
}  # fmt: skip


@pytest.fixture
def scene(client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """How hard a hash is, is not what is tried here; Oobit cannot be reached. Access tokens outlive the hour."""
    use_cheap_hashes(monkeypatch)
    monkeypatch.setattr(auth, "CLOCK_SKEW_SECONDS", 3 * 3600)
    monkeypatch.setenv("OOBIT_URL", "http://127.0.0.1:1")
    return Scene(client, sql)


def routes() -> Iterator[Route]:
    for name, function in contract.functions().items():
        if function.gateway:
            module = importlib.import_module(f"functions.{name}.main")
            for api in {found for found in vars(module).values() if isinstance(found, Api)}:
                yield from api.routes


def test_every_limited_operation_is_in_the_table() -> None:
    limited = {route.contract.handler.__name__ for route in routes() if route.limit}
    assert limited - LIMITS.keys() == set()
    refusals = {
        problem.slug()
        for route in routes()
        for problem in route.problems
        if issubclass(problem, TooManyRequests) or problem.slug() in NOT_429
    }
    assert refusals == {limit.told for limit in LIMITS.values()} | ONLY_SUCCESSES_COUNT


def test_nothing_else_counts_attempts() -> None:
    """A module that counts tries by itself stands in the table above."""
    counting = {
        str(path.relative_to(contract.ROOT))
        for folder in (contract.FUNCTIONS, contract.ROOT / "shared")
        for path in folder.rglob("*.py")
        if "INSERT INTO attempt_counters" in path.read_text()
    }
    assert counting == {"shared/web/quotas.py", "functions/scans/records.py"}


@pytest.mark.parametrize("operation", LIMITS)
def test_the_limit_holds_when_each_try_is_refused(operation: str, scene: Scene, tmp_path: Path) -> None:
    limit = LIMITS[operation]
    attempt = limit.attempt(scene)
    begun = timedelta(seconds=HALF_MINUTE if clock.now().second >= HALF_MINUTE else 0)  # not at the end of a minute
    with moved_clock(tmp_path, begun):
        assert attempt().problem == limit.refused
        skipped = limit.tries_max - 2
        scene.sql.execute_unnamed("UPDATE attempt_counters SET attempts = attempts + $1 WHERE attempts > 0", (skipped,))
        scene.sql.execute_unnamed("UPDATE second_factors SET failures = failures + $1 WHERE failures > 0", (skipped,))
        assert attempt().problem == limit.refused, "the last of the tries"
        over = (limit.final(scene) if limit.final else attempt)()
    assert over.problem == limit.told
    if over.status == TooManyRequests.status:
        wait = int(over.headers["Retry-After"])
        assert 0 < wait <= 3600
        for seconds in (max(0, wait - FEW_SECONDS), wait):
            with moved_clock(tmp_path, begun + timedelta(seconds=seconds)):
                assert (attempt().problem == limit.told) == (seconds < wait), f"{seconds} of {wait} seconds later"
