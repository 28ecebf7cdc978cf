"""The same key and body give the same answer, for ever, and the work is done once. Every mutation is tried."""

import json
import time
from base64 import b32decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from pg8000.dbapi import Connection
from werkzeug.test import TestResponse

from emulators import contract
from emulators.process import wait_until
from functions.auth import passwords
from shared import clock, db, notifications, totp
from shared.api import MUTATING
from shared.auth import Role
from shared.codes import CodeFilesConfig
from shared.config import read
from shared.db import Tx
from shared.notifications import Note
from shared.ports import files
from tests import factories
from tests.client import FunctionClient, answer_of
from tests.factories import Somebody
from tests.fakes import comp_books, pictures, wallet_desk
from tests.fakes.chain import FakeChain
from tests.fakes.nodes import FakeNodes
from tests.fakes.treasurers import EXCHANGE, finding, treasurer
from tests.fakes.treasurers import PATH as TREASURY
from tests.fakes.wallet_desk import RECIPIENT, new_wallet
from tests.integration.test_bad_bodies import world

pytest_plugins = ["tests.fakes.wallet_plugin", "tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]

PASSWORD = "Sesame-Open-77!"
KEY = "0d9f8c2e-6c1b-4a53-9f4e-0a7f3b6d5c21"


@cache
def password_hash() -> str:
    """Of PASSWORD; making one takes a while."""
    return passwords.hashed(PASSWORD).text


@dataclass(frozen=True)
class Request:
    """A request that succeeds, by whoever may make it; `other` is another one that could come under its key."""

    client: FunctionClient
    path: str
    body: bytes = b""
    content_type: str = "application/json"
    other: "Request | None" = None
    version: str | None = None

    def send(self, operation: contract.Operation, key: str) -> TestResponse:
        headers = {"Content-Type": self.content_type, "Idempotency-Key": key}
        if self.version:
            headers["If-Match"] = self.version
        return self.client.raw(operation.function, operation.method, self.path, self.body, headers)


@dataclass(frozen=True)
class Scene:
    """What requests are made from."""

    client: Client
    sql: Connection

    def signed_up(self) -> str:
        """The e-mail address of a new member, who is not verified yet."""
        email = f"{uuid4().hex}@example.com"
        body = {"email": email, "password": PASSWORD, "full_name": "Ada Lovelace", "date_of_birth": "1990-12-10"}
        assert self.client().post("/v1/auth/signup", body).status == 201
        return email

    def mailed_code(self, email: str) -> str:
        """The code that was mailed last."""
        found = self.sql.execute_unnamed(
            "SELECT parameters ->> 'code' FROM mails WHERE to_email = $1 ORDER BY queued_at DESC LIMIT 1", (email,)
        )
        return str(found.rows[0][0])

    def verified(self) -> str:
        """The e-mail address of a member who may sign in with PASSWORD and has no session yet."""
        somebody = factories.member()
        self.sql.execute_unnamed("DELETE FROM sessions WHERE member_id = $1", (somebody.id,))
        self.sql.execute_unnamed("UPDATE members SET password_hash = $1 WHERE id = $2", (password_hash(), somebody.id))
        return somebody.email

    def signed_in(self) -> dict[str, Any]:
        tokens: dict[str, Any] = (
            self.client().post("/v1/auth/login", {"email": self.verified(), "password": PASSWORD}).body
        )
        return tokens

    def with_password(self) -> Somebody:
        """A member who is signed in and whose password is PASSWORD."""
        somebody = factories.member()
        self.sql.execute_unnamed("UPDATE members SET password_hash = $1 WHERE id = $2", (password_hash(), somebody.id))
        return somebody

    def reset_code(self) -> tuple[str, str]:
        """The e-mail address of a member who has asked for a new password, and the code in the mail."""
        email = self.verified()
        assert self.client().post("/v1/auth/reset-password", {"email": email}).status == 202
        return email, self.mailed_code(email)

    def member(self, role: Role | None = None) -> FunctionClient:
        return self.client(factories.member(role=role).token)

    def exportable_batch(self) -> UUID:
        admin = factories.member(role=Role.OPERATIONS)
        factories.manufactured_codes(3, admin=admin)
        found = self.sql.execute_unnamed("SELECT id FROM code_batches WHERE created_by = $1", (admin.id,))
        ((batch,),) = found.rows
        name = f"batches/{batch}.csv"
        files.write(read(CodeFilesConfig).codes_bucket, name, [b"code\r\n"], "text/csv")
        self.sql.execute_unnamed("UPDATE code_batches SET export_object = $1 WHERE id = $2", (name, batch))
        return UUID(str(batch))


def as_json(client: FunctionClient, path: str, body: object, other: object = None) -> Request:
    """Both bodies are what the operation takes."""
    changed = Request(client, path, json.dumps(other).encode()) if other is not None else None
    return Request(client, path, json.dumps(body).encode(), other=changed)


def signup(scene: Scene) -> Request:
    body = {"email": "ada@example.com", "password": PASSWORD, "full_name": "Ada", "date_of_birth": "1990-12-10"}
    return as_json(scene.client(), "/v1/auth/signup", body, body | {"email": "eve@example.com"})


def verify_email(scene: Scene) -> Request:
    email = scene.signed_up()
    body = {"email": email, "code": scene.mailed_code(email)}
    return as_json(scene.client(), "/v1/auth/verify-email", body, body | {"code": "000000"})


def login(scene: Scene) -> Request:
    body = {"email": scene.verified(), "password": PASSWORD}
    return as_json(scene.client(), "/v1/auth/login", body, body | {"password": "Wrong-Guess-88!"})


def refresh(scene: Scene) -> Request:
    body = {"refresh_token": scene.signed_in()["refresh_token"]}
    return as_json(scene.client(), "/v1/auth/refresh", body, {"refresh_token": "x" * 43})


def resend_verification(scene: Scene) -> Request:
    body = {"email": scene.signed_up()}
    return as_json(scene.client(), "/v1/auth/verify-email/resend", body, {"email": scene.signed_up()})


def request_password_reset(scene: Scene) -> Request:
    body = {"email": scene.verified()}
    return as_json(scene.client(), "/v1/auth/reset-password", body, {"email": scene.verified()})


def confirm_password_reset(scene: Scene) -> Request:
    email, code = scene.reset_code()
    body = {"email": email, "code": code, "password": "Another-Sesame-9!"}
    return as_json(scene.client(), "/v1/auth/reset-password/confirm", body, body | {"password": "A-Third-Sesame-9!"})


def set_up_second_factor(scene: Scene) -> Request:
    client = scene.client(scene.with_password().token)
    return as_json(client, "/v1/auth/2fa/setup", {"password": PASSWORD}, {"password": "Wrong-Guess-88!"})


def enable_second_factor(scene: Scene) -> Request:
    client = scene.client(scene.with_password().token)
    secret = b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    codes_ = [totp.code(secret, totp.step_of(clock.now()) + steps) for steps in (0, 1)]
    return as_json(client, "/v1/auth/2fa/enable", *({"code": code} for code in codes_))


def disable_second_factor(scene: Scene) -> Request:
    somebody = scene.with_password()
    code = totp.code(factories.second_factor(somebody), totp.step_of(clock.now()))
    body = {"password": PASSWORD, "code": code}
    path = "/v1/auth/2fa/disable"
    return as_json(scene.client(somebody.token), path, body, body | {"password": "Wrong-Guess-88!"})


def renew_backup_codes(scene: Scene) -> Request:
    somebody = factories.member()
    secret = factories.second_factor(somebody)
    codes_ = [totp.code(secret, totp.step_of(clock.now()) + steps) for steps in (0, 1)]
    return as_json(scene.client(somebody.token), "/v1/auth/2fa/backup-codes", *({"code": code} for code in codes_))


def set_referral_code(scene: Scene) -> Request:
    return as_json(scene.member(), "/v1/affiliate/referral-link", {"code": "ada-and-co"}, {"code": "ada-alone"})


def challenge(scene: Scene) -> Request:
    wallets = [{"address": Account.create().address} for _ in range(2)]
    return as_json(scene.member(), "/v1/wallet/challenge", *wallets)


def link(scene: Scene) -> Request:
    member, wallet = scene.member(), Account.create()
    asked = member.post("/v1/wallet/challenge", {"address": wallet.address}).body
    signature = wallet.sign_message(encode_defunct(text=asked["message"])).signature.to_0x_hex()
    body = {"challenge_id": asked["challenge_id"], "signature": signature}
    return as_json(member, "/v1/wallet/link", body, body | {"challenge_id": str(uuid4())})


def submit(scene: Scene) -> Request:
    first, second = factories.manufactured_codes(2)
    return as_json(scene.member(), "/v1/scans/submit", {"code": first}, {"code": second})


def told(scene: Scene) -> tuple[FunctionClient, list[UUID]]:
    """A member with two notifications to read."""
    somebody = factories.member()

    def tell(tx: Tx) -> list[UUID]:
        notes = [Note(somebody.id, "system", "Hello", "there", {}, f"note-{number}") for number in range(2)]
        return [identity for note in notes if (identity := notifications.notify(tx, note, datetime.now(UTC)))]

    return scene.client(somebody.token), db.atomically(tell)


def read_one(scene: Scene) -> Request:
    member, (first, second) = told(scene)
    return Request(member, f"/v1/notifications/{first}/read", other=Request(member, f"/v1/notifications/{second}/read"))


def read_all(scene: Scene) -> Request:
    return Request(told(scene)[0], "/v1/notifications/read-all")


def create_token(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/realtime/token")


def generate(scene: Scene) -> Request:
    body = {"name": "November", "product_sku": "MINTICE-6", "quantity": 5}
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/generate", body, body | {"quantity": 6})


def export(scene: Scene) -> Request:
    body = {"batch_id": str(scene.exportable_batch())}
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/export", body, {"batch_id": str(uuid4())})


def import_feedback(scene: Scene) -> Request:
    made = factories.manufactured_codes(2, status="generated")
    admin, path = scene.member(Role.OPERATIONS), "/v1/admin/qr/import-feedback"
    file, other = ("\n".join(["code", *lines]).encode() for lines in (made, made[:1]))
    return Request(admin, path, file, "text/csv", other=Request(admin, path, other, "text/csv"))


def change_comp_rule(scene: Scene) -> Request:
    body = {
        "revision": 1, "interval": 500, "tier": "vip", "amount": 90, "unlock_volume": 0, "enabled": True,
        "unlocked_by_admin": False, "reason": "For Christmas",
    }  # fmt: skip
    path = "/v1/admin/comp-rules/crypto_100"
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"amount": 80})


def award_comp(scene: Scene) -> Request:
    body = {"member_id": str(factories.member().id), "amount": 50, "reason": "An apology"}
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/comps/award", body, body | {"amount": 60})


def cancel_comp(scene: Scene) -> Request:
    path = f"/v1/admin/comps/{comp_books.given(factories.member())}/cancel"
    return as_json(scene.member(Role.OPERATIONS), path, {"reason": "By mistake"}, {"reason": "On purpose"})


def retry_comp(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    body = {"member_id": str(factories.member(wallet=RECIPIENT).id), "amount": 5, "reason": "An apology"}
    comp = admin.post("/v1/admin/comps/award", body, **{"Idempotency-Key": "award"}).body["id"]
    path = "/v1/admin/comps/retry"
    return Request(admin, f"{path}/{comp}", other=Request(admin, f"{path}/{uuid4()}"))


def override_tier(scene: Scene, scope: str = "quarter") -> Request:
    path = f"/v1/admin/members/{factories.member().id}/tier"
    body = {"scope": scope, "tier": "vip", "reason": "kind"}
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"tier": "whale"})


def removal(scene: Scene, scope: str) -> Request:
    override = override_tier(scene, scope)
    assert override.client.put(override.path, json.loads(override.body)).status == 200
    other = Request(override.client, f"/v1/admin/members/{uuid4()}/tier/{scope}")
    return Request(override.client, f"{override.path}/{scope}", other=other)


def remove_quarter_override(scene: Scene) -> Request:
    return removal(scene, "quarter")


def remove_permanent_override(scene: Scene) -> Request:
    return removal(scene, "permanent")


def decide_flagged_scan(scene: Scene) -> Request:
    path = f"/v1/admin/scans/flagged/{factories.flagged_scan()}/decide"
    body = {"decision": "clear", "note": "A flight attendant"}
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"decision": "confirm"})


def decide_flagged_scans(scene: Scene) -> Request:
    body = {"decision": "clear", "note": "A flight attendant", "scan_ids": [str(factories.flagged_scan())]}
    path = "/v1/admin/scans/flagged/decide"
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"decision": "confirm"})


def create_import(scene: Scene) -> Request:
    return Request(scene.member(Role.OPERATIONS), "/v1/admin/qr/imports")


def start_import(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    first, second = (admin.post("/v1/admin/qr/imports").body["id"] for _ in range(2))
    other = Request(admin, f"/v1/admin/qr/imports/{second}/start")
    return Request(admin, f"/v1/admin/qr/imports/{first}/start", other=other)


def listed_codes(scene: Scene, act: str, status: str) -> Request:
    body = {"codes": factories.manufactured_codes(2, status=status), "reason": "lost"}
    return as_json(scene.member(Role.OPERATIONS), f"/v1/admin/qr/{act}", body, body | {"reason": "torn"})


def invalidate_codes(scene: Scene) -> Request:
    return listed_codes(scene, "invalidate", "manufactured")


def reuse_codes(scene: Scene) -> Request:
    return listed_codes(scene, "reuse", "invalidated")


def whole_batch(scene: Scene, act: str) -> Request:
    path = f"/v1/admin/qr/batches/{scene.exportable_batch()}/{act}"
    return as_json(scene.member(Role.OPERATIONS), path, {"reason": "lost"}, {"reason": "torn"})


def invalidate_batch(scene: Scene) -> Request:
    return whole_batch(scene, "invalidate")


def reuse_batch(scene: Scene) -> Request:
    return whole_batch(scene, "reuse")


def recall_batch(scene: Scene) -> Request:
    return whole_batch(scene, "recall")


def search_code(scene: Scene) -> Request:
    first, second = factories.manufactured_codes(2)
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/search", {"code": first}, {"code": second})


def choose_trip(scene: Scene) -> Request:
    winner = factories.member()
    path = f"/v1/comps/trips/{factories.trip(winner)}/choose"
    return as_json(scene.client(winner.token), path, {"destination": "hawaii"}, {"destination": "aspen"})


def contact_winner(scene: Scene) -> Request:
    first, second = (factories.trip(factories.member(), chosen=True) for _ in range(2))
    other = Request(scene.member(Role.OPERATIONS), f"/v1/admin/trips/{second}/concierge-contacted")
    return Request(other.client, f"/v1/admin/trips/{first}/concierge-contacted", other=other)


def mail_chip(scene: Scene) -> Request:
    admin, trip = scene.member(Role.OPERATIONS), factories.trip(factories.member(), chosen=True)
    assert admin.post(f"/v1/admin/trips/{trip}/concierge-contacted").status == 200
    path = f"/v1/admin/trips/{trip}/chip-mailed"
    return as_json(admin, path, {"tracking_number": "12345"}, {"tracking_number": "54321"})


def change_profile(scene: Scene) -> Request:
    member, path = scene.member(), "/v1/users/me/profile"
    body = {"username": f"ada_{uuid4().hex[:8]}", "full_name": "Ada", "email": member.get(path).body["email"]}
    first, other = (json.dumps(sent).encode() for sent in (body, body | {"full_name": "Eve"}))
    return Request(member, path, first, version='"1"', other=Request(member, path, other, version='"1"'))


def confirm_email(scene: Scene) -> Request:
    change = change_profile(scene)
    email = f"{uuid4().hex}@example.com"
    body = json.dumps(json.loads(change.body) | {"email": email}).encode()
    headers = {"Content-Type": "application/json", "If-Match": '"1"'}
    assert change.client.send("PUT", change.path, body, headers).status == 200
    code = {"code": scene.mailed_code(email)}
    return as_json(change.client, "/v1/users/me/email/confirm", code, {"code": "000000"})


def upload_avatar(scene: Scene) -> Request:
    member, path = scene.member(), "/v1/users/me/avatar"
    (first, headers), (other, _) = (pictures.form(pictures.picture(kind)) for kind in ("JPEG", "PNG"))
    media = headers["Content-Type"]
    return Request(member, path, first, media, other=Request(member, path, other, media))


def remove_avatar(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/users/me/avatar")


def change_preferences(scene: Scene) -> Request:
    body = {kind: {"push": True, "email": False} for kind in ("system", "social", "comp", "order")}
    other = body | {"comp": {"push": False, "email": False}}
    return as_json(scene.member(), "/v1/users/me/notification-preferences", body, other)


def register_device(scene: Scene) -> Request:
    first, other = ({"platform": "ios", "token": uuid4().hex * 2} for _ in range(2))
    return as_json(scene.member(), "/v1/users/me/devices", first, other)


def remove_device(scene: Scene) -> Request:
    registered = register_device(scene)
    made = registered.client.post(registered.path, json.loads(registered.body)).body["id"]
    other = Request(registered.client, f"{registered.path}/{uuid4()}")
    return Request(registered.client, f"{registered.path}/{made}", other=other)


def create_export(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/users/me/exports")


def broadcast(scene: Scene) -> Request:
    body = {"title": "Holiday hours", "body": "Back on 2 January."}
    path = "/v1/admin/notifications/broadcast"
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"title": "Hours"})


def withdraw(scene: Scene) -> Request:
    member = scene.client(factories.member(wallet=new_wallet().address).token)
    body = {"to_address": RECIPIENT, "amount": 25}
    return as_json(member, "/v1/wallet/withdraw", body, body | {"amount": 26})


def prepared_withdrawal(scene: Scene, wallet: LocalAccount) -> tuple[FunctionClient, dict[str, Any]]:
    member = scene.client(factories.member(wallet=wallet.address).token)
    body = {"to_address": RECIPIENT, "amount": 25}
    return member, member.post("/v1/wallet/withdraw", body, **{"Idempotency-Key": "prepare"}).body


def broadcast_withdrawal(scene: Scene) -> Request:
    wallet = new_wallet()
    member, made = prepared_withdrawal(scene, wallet)
    body = {"signed_transaction": wallet_desk.sign(made["transaction"], wallet)}
    path = f"/v1/wallet/withdrawals/{made['id']}/broadcast"
    return as_json(member, path, body, {"signed_transaction": "0x02"})


def cancel_withdrawal(scene: Scene) -> Request:
    member, made = prepared_withdrawal(scene, new_wallet())
    other = Request(member, f"/v1/wallet/withdrawals/{uuid4()}/cancel")
    return Request(member, f"/v1/wallet/withdrawals/{made['id']}/cancel", other=other)


def create_oobit_token(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/oobit/create-token")


def put_oobit_card(scene: Scene) -> Request:
    body = {"card_id": "card_5f2d", "status": "active"}
    return as_json(scene.member(), "/v1/oobit/card", body, body | {"status": "closed"})


def pause_treasury(scene: Scene) -> Request:
    path, body = f"{TREASURY}/pools/member/pause", {"reason": "it looks wrong"}
    return as_json(scene.member(Role.TREASURY), path, body, {"reason": "it still looks wrong"})


def resume_treasury(scene: Scene) -> Request:
    admin, paused = treasurer(scene.client), pause_treasury(scene)
    assert paused.client.post(paused.path, json.loads(paused.body)).status == 200
    body = {"reason": "it was nothing", "totp": admin.code()}
    path = f"{TREASURY}/pools/member/resume"
    return as_json(admin.client, path, body, body | {"reason": "it was something"})


def set_treasury_alerts(scene: Scene) -> Request:
    body = {"usdt": 100, "gas_wei": "1000000000000000000"}
    path = f"{TREASURY}/pools/member/alerts"
    return as_json(scene.member(Role.TREASURY), path, body, body | {"usdt": 200})


def send_from_treasury(scene: Scene) -> Request:
    admin = treasurer(scene.client)
    body = {"pool": "member", "to_address": EXCHANGE, "amount": 25.5, "reason": "to the exchange"}
    body["totp"] = admin.code()
    return as_json(admin.client, f"{TREASURY}/send", body, body | {"amount": 26})


def approval(scene: Scene, kind: str) -> Request:
    """Of a transfer that somebody else has asked for."""
    transfer, admin = treasurer(scene.client).send().body["id"], treasurer(scene.client)
    body = {"totp": admin.code(), "note": "read back by phone"}
    return as_json(admin.client, f"{TREASURY}/{kind}/{transfer}/approve", body, body | {"note": "read back by mail"})


def approve_payout(scene: Scene) -> Request:
    return approval(scene, "payouts")


def approve_treasury_transfer(scene: Scene) -> Request:
    return approval(scene, "transfers")


def cancel_treasury_transfer(scene: Scene) -> Request:
    admin = treasurer(scene.client)
    path = f"{TREASURY}/transfers/{admin.send().body['id']}/cancel"
    return as_json(admin.client, path, {"reason": "no longer needed"}, {"reason": "mistyped"})


def start_reconciliation(scene: Scene) -> Request:
    return Request(scene.member(Role.TREASURY), f"{TREASURY}/reconciliations")


def resolve_finding(scene: Scene) -> Request:
    admin = treasurer(scene.client)
    path, body = f"{TREASURY}/findings/{finding(admin.somebody)}/resolve", {"explanation": "a gift"}
    body["totp"] = admin.code()
    return as_json(admin.client, path, body, body | {"explanation": "a mistake"})


PREPARED = [
    change_profile, confirm_email, upload_avatar, remove_avatar, change_preferences, register_device, remove_device,
    create_export, broadcast,
    signup, verify_email, login, refresh, challenge, link, submit, read_one, read_all, create_token, generate, export,
    import_feedback, change_comp_rule, award_comp, cancel_comp, decide_flagged_scan, decide_flagged_scans,
    choose_trip, contact_winner, mail_chip, override_tier, remove_quarter_override, remove_permanent_override,
    create_import, start_import, invalidate_codes, reuse_codes, invalidate_batch, reuse_batch,
    recall_batch, search_code, withdraw, broadcast_withdrawal, cancel_withdrawal,
    create_oobit_token, put_oobit_card, resend_verification, request_password_reset, confirm_password_reset,
    set_up_second_factor, enable_second_factor, disable_second_factor, renew_backup_codes, set_referral_code,
    retry_comp, pause_treasury, resume_treasury, set_treasury_alerts, send_from_treasury, approve_payout,
    approve_treasury_transfer, cancel_treasury_transfer, start_reconciliation, resolve_finding,
]  # fmt: skip
NOT_REPEATABLE = {"logout", "change_password", "delete_account"}  # their own token is not valid any more


@pytest.fixture
def scene(client: Client, sql: Connection, rich_chain: FakeChain, world: FakeNodes) -> Scene:
    assert rich_chain
    assert world
    return Scene(client, sql)


@contextmanager
def moved_clock(tmp_path: Path, by: timedelta) -> Iterator[None]:
    """What is done inside happens later."""
    file = tmp_path / "clock"
    file.write_text(str(by.total_seconds()))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(clock.CLOCK_FILE, str(file))
        yield


def operation_of(name: str) -> contract.Operation:
    (found,) = [operation for operation in contract.operations() if operation.operation_id == name]
    return found


def essence(response: TestResponse) -> tuple[int, str | None, bytes, str | None]:
    return response.status_code, response.content_type, response.data, response.headers.get("Retry-After")


def test_every_mutation_of_the_contract_is_tried_here() -> None:
    mutating = {operation.operation_id for operation in contract.operations() if operation.method in MUTATING}
    assert {prepared.__name__ for prepared in PREPARED} == mutating - NOT_REPEATABLE


@pytest.mark.parametrize("prepared", PREPARED, ids=lambda prepared: prepared.__name__)
def test_a_repeated_request_gets_the_same_answer_and_does_nothing(
    prepared: Callable[[Scene], Request], scene: Scene
) -> None:
    operation, request = operation_of(prepared.__name__), prepared(scene)
    first = request.send(operation, KEY)
    assert first.status_code < 300, first.data
    before = world(scene.sql)
    if prepared is export:  # a link that is signed anew in the same second is the same
        moment = int(time.time())
        wait_until(lambda: int(time.time()) > moment, "the next second", 2.0)

    again = request.send(operation, KEY)

    assert essence(again) == essence(first)
    assert world(scene.sql) == before


def test_the_key_of_one_request_does_not_serve_another(scene: Scene) -> None:
    wrong: list[str] = []
    for prepared in PREPARED:
        operation, request = operation_of(prepared.__name__), prepared(scene)
        if request.other is None:
            continue  # there is nothing in this request that could differ
        request.send(operation, KEY)
        before = world(scene.sql)
        refused = answer_of(request.other.send(operation, KEY))
        if (refused.status, refused.problem) != (409, "idempotency-key-reused") or world(scene.sql) != before:
            wrong.append(f"{prepared.__name__}: {refused.status} {refused.body}")
    assert not wrong, "\n".join(wrong)


def test_a_refusal_is_repeated_as_well(scene: Scene) -> None:
    """Also when the reason for it has passed: whoever wants another answer takes another key."""
    codes_ = factories.manufactured_codes(1, status="generated")
    request = as_json(scene.member(), "/v1/scans/submit", {"code": codes_[0]})
    operation = operation_of("submit")
    refused = request.send(operation, KEY)
    assert refused.status_code == 422
    scene.sql.execute_simple("UPDATE codes SET status = 'manufactured', manufactured_at = now()")

    assert essence(request.send(operation, KEY)) == essence(refused)
    assert request.send(operation, f"{KEY}-2").status_code == 201


def test_a_refusal_that_undoes_its_work_is_repeated_as_well(scene: Scene) -> None:
    request = signup(scene)
    operation = operation_of("signup")
    assert request.send(operation, "first").status_code == 201
    refused = request.send(operation, KEY)
    assert answer_of(refused).problem == "email-already-registered"
    scene.sql.execute_simple("UPDATE members SET email = 'moved@example.com'")

    assert essence(request.send(operation, KEY)) == essence(refused)
    assert scene.sql.execute_simple("SELECT count(*) FROM members").rows == [[1]]


@pytest.mark.parametrize("limit", ["scans_per_hour_max", "guesses_per_hour_max"])
def test_a_request_that_had_to_wait_may_come_again_under_its_key(scene: Scene, limit: str) -> None:
    member = factories.member()
    scene.sql.execute_unnamed("UPDATE settings SET value = '2' WHERE name = $1", (limit,))
    made = factories.manufactured_codes(3)
    tries = made[:2] if limit == "scans_per_hour_max" else ["AAAA-AAAA-AAAA"] * 2
    for code in tries:
        scene.client(member.token).post("/v1/scans/submit", {"code": code})
    request = as_json(scene.client(member.token), "/v1/scans/submit", {"code": made[2]})
    refused = request.send(operation_of("submit"), KEY)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"]

    scene.sql.execute_simple("UPDATE attempt_counters SET hour = hour - interval '2 hours'")
    scene.sql.execute_simple("UPDATE member_totals SET recent_scans = '{}'")

    assert request.send(operation_of("submit"), KEY).status_code == 201


def test_an_answer_is_kept_for_ever(scene: Scene, tmp_path: Path) -> None:
    request, operation = signup(scene), operation_of("signup")
    first = request.send(operation, KEY)
    with moved_clock(tmp_path, timedelta(days=3650)):
        assert essence(request.send(operation, KEY)) == essence(first)


def test_a_body_that_was_not_valid_does_not_use_up_its_key(scene: Scene) -> None:
    operation, right = operation_of("signup"), signup(scene)
    for wrong in (b"", b"{", b'{"email": 1}'):
        assert Request(right.client, right.path, wrong).send(operation, KEY).status_code in (400, 422)
    assert right.send(operation, KEY).status_code == 201


def test_members_do_not_share_their_keys(scene: Scene) -> None:
    made = factories.manufactured_codes(2)
    for code in made:
        request = as_json(scene.member(), "/v1/scans/submit", {"code": code})
        assert request.send(operation_of("submit"), KEY).status_code == 201


def test_one_key_does_not_serve_two_operations(scene: Scene) -> None:
    member = scene.member()
    first = Request(member, "/v1/notifications/read-all").send(operation_of("read_all"), KEY)
    second = answer_of(Request(member, "/v1/realtime/token").send(operation_of("create_token"), KEY))
    assert first.status_code == 200
    assert (second.status, second.problem) == (409, "idempotency-key-reused")


def test_without_a_key_every_request_is_new(scene: Scene) -> None:
    member = scene.member()
    address = {"address": Account.create().address}
    identities = {member.post("/v1/wallet/challenge", address).body["challenge_id"] for _ in range(3)}
    assert len(identities) == 3
    assert scene.sql.execute_simple("SELECT count(*) FROM idempotency_keys").rows == [[0]]


def test_a_repeated_sign_out_is_told_that_its_session_has_ended(scene: Scene) -> None:
    request, operation = Request(scene.member(), "/v1/auth/logout"), operation_of("logout")
    assert request.send(operation, KEY).status_code == 204
    again = answer_of(request.send(operation, KEY))
    assert (again.status, again.problem) == (401, "token-not-valid")


def test_a_request_that_failed_for_a_bug_may_be_repeated_under_its_key(scene: Scene) -> None:
    request, operation = submit(scene), operation_of("submit")
    scene.sql.execute_simple("ALTER TABLE scans ADD CONSTRAINT broken CHECK (false) NOT VALID")
    before = world(scene.sql)
    assert request.send(operation, KEY).status_code == 500
    assert world(scene.sql) == before
    scene.sql.execute_simple("ALTER TABLE scans DROP CONSTRAINT broken")
    assert request.send(operation, KEY).status_code == 201
