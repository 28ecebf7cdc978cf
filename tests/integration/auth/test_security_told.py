"""Every security change of an account is told to its owner, in the app and by mail.

The operations are read out of openapi.yaml: a new one fails here until it is said what it tells, or why it changes
nothing of how an account is protected.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from pg8000.dbapi import Connection

from emulators import contract
from functions.auth import rules
from functions.email_send.templates import render
from shared import clock
from shared.api import MUTATING
from shared.credentials import totp
from shared.members.security_notices import SecurityChange
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.factories import Somebody
from tests.operations.access import operations_for
from tests.operations.scene import PASSWORD, Scene
from tests.operations.wallet_links import link_wallet
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin"]

Client = Callable[..., FunctionClient]

NEW_PASSWORD = "Another-Sesame-9!"
NEW_EMAIL = "moved@example.com"
COUNTED = ("attempt_counters", "second_factors", "idempotency_keys", "email_codes", "email_changes")


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


# Each does what its operation is for, and gives whose account it was.


def login(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    device = {"kind": "mobile", "name": "Eve's Pixel"}
    body = {"email": somebody.email, "password": PASSWORD, "device": device}
    assert scene.client().post("/v1/auth/login", body).status == 200
    return somebody


def confirm_password_reset(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    scene.client().post("/v1/auth/reset-password", {"email": somebody.email})
    body = {"email": somebody.email, "code": scene.mailed_code(somebody.email), "password": NEW_PASSWORD}
    assert scene.client().post("/v1/auth/reset-password/confirm", body).status == 204
    return somebody


def change_password(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    assert scene.client(somebody.token).post("/v1/auth/password", body).status == 204
    return somebody


def enable_second_factor(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    client = scene.client(somebody.token)
    secret = base64.b32decode(client.post("/v1/auth/2fa/setup", {"password": PASSWORD}).body["secret"])
    assert client.post("/v1/auth/2fa/enable", {"code": now_code(secret)}).status == 200
    return somebody


def disable_second_factor(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    body = {"password": PASSWORD, "code": now_code(factories.second_factor(somebody))}
    assert scene.client(somebody.token).post("/v1/auth/2fa/disable", body).status == 204
    return somebody


def renew_backup_codes(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    body = {"code": now_code(factories.second_factor(somebody))}
    assert scene.client(somebody.token).post("/v1/auth/2fa/backup-codes", body).status == 200
    return somebody


def change_profile(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    assert ask_for_email(scene, somebody).body["pending_email"] == NEW_EMAIL
    return somebody


def confirm_email(scene: Scene) -> Somebody:
    somebody = change_profile(scene)
    body = {"code": scene.mailed_code(NEW_EMAIL)}
    assert scene.client(somebody.token).post("/v1/users/me/email/confirm", body).status == 200
    return somebody


def link(scene: Scene) -> Somebody:
    somebody = scene.with_password()
    assert link_wallet(scene.client(somebody.token), Account.create()).status == 200
    return somebody


def now_code(secret: bytes) -> str:
    return totp.code(secret, totp.step_of(clock.now()))


def ask_for_email(scene: Scene, somebody: Somebody, **said: object) -> Answer:
    client = scene.client(somebody.token)
    mine = client.get("/v1/users/me/profile").body
    body = {"username": mine["username"], "full_name": mine["full_name"], "email": NEW_EMAIL, **said}
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    return client.send("PUT", "/v1/users/me/profile", json.dumps(body).encode(), headers)


@dataclass(frozen=True)
class Told:
    """The last thing that the owner is told, and whether the new address gets the mail beside the old one."""

    act: Callable[[Scene], Somebody]
    change: SecurityChange
    at_both_addresses: bool = False


TELLS = {
    "login": Told(login, SecurityChange.NEW_DEVICE),
    "confirm_password_reset": Told(confirm_password_reset, SecurityChange.PASSWORD_CHANGED),
    "change_password": Told(change_password, SecurityChange.PASSWORD_CHANGED),
    "enable_second_factor": Told(enable_second_factor, SecurityChange.SECOND_FACTOR_ENABLED),
    "disable_second_factor": Told(disable_second_factor, SecurityChange.SECOND_FACTOR_DISABLED),
    "renew_backup_codes": Told(renew_backup_codes, SecurityChange.BACKUP_CODES_RENEWED),
    "change_profile": Told(change_profile, SecurityChange.EMAIL_CHANGE_ASKED),
    "confirm_email": Told(confirm_email, SecurityChange.EMAIL_CHANGED, at_both_addresses=True),
    "link": Told(link, SecurityChange.WALLET_LINKED),
}
TOLD_ELSEWHERE = {
    "delete_account": "there is no account any more that could show it; a mail says goodbye (test_deletion.py)",
    "create_export": "a mail says that the file is ready (test_export.py)",
    "withdraw": "the wallet signs; mail and notification say what became of it (test_withdrawal_follow.py)",
    "prepare_order_payment": "likewise",
    "suspend_member": "sign-in says it; the reason is not told to the member (docs/accounts.md)",
    "activate_member": "likewise",
}
PROTECTS_NOTHING = {
    "signup": "there was no account before",
    "verify_email": "proves the address that the account was made with",
    "resend_verification": "a code, by mail",
    "request_password_reset": "a code, by mail; nothing changes without it",
    "refresh": "a session that there is goes on; one that is copied ends, and the next sign-in is told",
    "logout": "somebody signs out: nothing opens",
    "end_session": "likewise",
    "end_all_sessions": "likewise",
    "set_up_second_factor": "counts for nothing until a code has proved it",
    "prove_second_factor": "a session that there is, proved once more",
    "create_token": "shows what the session shows, for an hour",
    "create_wallet_token": "takes a sign-in of the last ten minutes, which is told on a new device",
    "note_presence": "says that somebody watches, and not who",
    "create_support_token": "shows the member's own conversations, for five minutes",
    "appeal_sanction": "words to people at support",
    "challenge": "a message to be signed; nothing changes without it",
    "upload_avatar": "a picture",
    "remove_avatar": "likewise",
    "change_preferences": "security mails cannot be switched off",
    "register_device": "a phone that is told, until its session ends",
    "remove_device": "a phone that is not told any more",
    "set_referral_code": "a name for a link",
    "count_referral_click": "a count",
    "vault_chips": "chips of the member's own",
    "withdraw_chips": "likewise",
    "unsubscribe": "mails about the account still come",
    "read_one": "what was read",
    "read_all": "likewise",
    "submit": "a scan",
    "choose_trip": "a prize",
    "broadcast_withdrawal": "the wallet has signed it",
    "follow_sent_withdrawal": "likewise",
    "cancel_withdrawal": "nothing leaves",
    **dict.fromkeys(
        ("post_message", "edit_message", "remove_message", "add_reaction", "remove_reaction", "mark_read"),
        "the chat; all that see the channel see it",
    ),
    **dict.fromkeys(("report_message", "report_member"), "people look at it, and decide"),
    **dict.fromkeys(("block_member", "unblock_member"), "whose words the member is told of"),
    "cast_ballot": "a ballot, which nobody can change",
    "create_proposal": "words to admins",
    "withdraw_proposal": "likewise",
    "translate_message": "a question",
    "upload_chat_image": "nobody sees it until a message shows it",
    "add_to_cart": "tins in a cart; nothing is bought",
    "update_cart_item": "likewise",
    "remove_cart_item": "likewise",
    "estimate_tax": "a question",
    "create_order": "nothing is charged yet; a receipt says what was",
    "cancel_order": "nothing is bought",
    "pay_order": "another card for an order that there is",
    "apply_for_wholesale": "a business asks for prices; people decide, and tell the member",
    "estimate_wholesale_order": "a question",
    **dict.fromkeys(
        (
            "create_account_webhook",
            "change_account_webhook",
            "delete_account_webhook",
            "renew_account_webhook_secret",
            "resend_account_webhook",
        ),
        "states of the account's orders go to a program; a new address or secret takes a fresh sign-in, which is told",
    ),
    "create_wholesale_order": "nothing is charged yet; a receipt says what was",
    "cancel_wholesale_order": "nothing is bought",
    "pay_wholesale_order": "another card for an order that there is",
    "create_oobit_token": "a card of the member's own",
    "put_oobit_card": "likewise",
    "override_tier": "a tier, which is told as such",
    "change_user": "names, address and language; neither the way in nor the wallet",
    "change_role": "what somebody may do as an admin; their sessions as one end",
    "remove_quarter_override": "likewise",
    "remove_permanent_override": "likewise",
}


def told(sql: Connection, somebody: Somebody) -> list[tuple[str, list[str]]]:
    """The kind of each security change and where its mails went, oldest first."""
    notes = sql.execute_unnamed(
        """
        SELECT data ->> 'security_change' FROM notifications
        WHERE member_id = $1 AND type = 'system' AND data ? 'security_change' ORDER BY created_at, id
        """,
        (somebody.id,),
    ).rows
    return [(change, addresses(sql, somebody, change)) for (change,) in notes]


def addresses(sql: Connection, somebody: Somebody, template: str) -> list[str]:
    rows = sql.execute_unnamed(
        "SELECT to_email FROM mails WHERE member_id = $1 AND template = $2 ORDER BY to_email", (somebody.id, template)
    ).rows
    return [address for (address,) in rows]


def test_every_operation_that_could_change_how_an_account_is_protected_is_in_one_table() -> None:
    of_members = {row.operation_id for row, _ in operations_for("anyone", "member") if row.method in MUTATING}
    about_members = {
        operation.operation_id
        for operation in contract.operations()
        if operation.function == "admin_members" and operation.method in MUTATING
    }
    tables = [set(TELLS), set(TOLD_ELSEWHERE), set(PROTECTS_NOTHING)]
    assert set.union(*tables) == of_members | about_members, "say what it tells the owner, and try that in TELLS"
    assert sum(map(len, tables)) == len(of_members | about_members)
    assert {told.change for told in TELLS.values()} | {SecurityChange.WALLET_REPLACED} == set(
        SecurityChange
    )  # test_wallet_changed.py


@pytest.mark.parametrize("name", TELLS)
def test_it_is_told_in_the_app_and_by_mail(name: str, scene: Scene, sql: Connection) -> None:
    tells = TELLS[name]
    somebody = tells.act(scene)
    wanted = [somebody.email, *([NEW_EMAIL] if tells.at_both_addresses else [])]
    assert told(sql, somebody)[-1] == (tells.change.value, sorted(wanted))
    ((parameters,),) = sql.execute_unnamed(
        "SELECT parameters FROM mails WHERE member_id = $1 AND template = $2 AND to_email = $3",
        (somebody.id, tells.change.value, somebody.email),
    ).rows
    assert "support@blakjaks.com" in render(tells.change.value, parameters, "en").text


@pytest.mark.parametrize("name", TELLS)
def test_nobody_else_is_told(name: str, scene: Scene, sql: Connection) -> None:
    stranger = scene.with_password()
    TELLS[name].act(scene)
    assert told(sql, stranger) == []
    assert scene.client(stranger.token).get("/v1/notifications").body["items"] == []


@pytest.mark.parametrize("name", TELLS)
def test_who_wants_no_mails_is_mailed_all_the_same(name: str, scene: Scene, sql: Connection) -> None:
    sql.execute_simple("""
        CREATE FUNCTION wants_nothing() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO notification_preferences SELECT NEW.id, kind, false, false
            FROM unnest(ARRAY['system', 'social', 'comp', 'order']) AS kind;
            RETURN NULL;
        END $$;
        CREATE TRIGGER wants_nothing AFTER INSERT ON members FOR EACH ROW EXECUTE FUNCTION wants_nothing();
    """)
    somebody = TELLS[name].act(scene)
    assert somebody.email in addresses(sql, somebody, TELLS[name].change.value)


def refused(scene: Scene, somebody: Somebody) -> list[Answer]:
    """Each change, tried with what is wrong."""
    client, code = scene.client(somebody.token), {"code": "000000"}
    anybody = scene.client()
    return [
        anybody.post("/v1/auth/login", {"email": somebody.email, "password": "Wrong-Guess-88!"}),
        anybody.post("/v1/auth/reset-password/confirm", {"email": somebody.email, "password": NEW_PASSWORD, **code}),
        client.post("/v1/auth/password", {"current_password": "Wrong-Guess-88!", "password": NEW_PASSWORD}),
        client.post("/v1/auth/2fa/enable", code),
        client.post("/v1/auth/2fa/disable", {"password": PASSWORD, **code}),
        client.post("/v1/auth/2fa/backup-codes", code),
        client.post("/v1/users/me/email/confirm", code),
        ask_for_email(scene, somebody),
    ]


def test_what_is_refused_is_not_told(scene: Scene, sql: Connection) -> None:
    somebody = scene.with_password()
    factories.second_factor(somebody)
    before = rows_of_all_tables(sql, without=COUNTED)
    assert all(answer.status >= 400 for answer in refused(scene, somebody))
    assert rows_of_all_tables(sql, without=COUNTED) == before


def signs_in(scene: Scene, email: str, **device: Any) -> dict[str, Any]:
    body = {"email": email, "password": PASSWORD, "device": {"kind": "mobile", "name": "Ada's Pixel", **device}}
    tokens: dict[str, Any] = scene.client().post("/v1/auth/login", body).body
    return tokens


def test_a_device_that_has_signed_in_before_is_not_told_again(scene: Scene, sql: Connection, tmp_path: Path) -> None:
    somebody = scene.with_password()
    known = signs_in(scene, somebody.email)["device_token"]
    assert [change for change, _ in told(sql, somebody)] == ["new_device"]
    with moved_clock(tmp_path, timedelta(days=2)):
        known = signs_in(scene, somebody.email, token=known)["device_token"]
        assert len(told(sql, somebody)) == 1
    with moved_clock(tmp_path, timedelta(days=2) + rules.DEVICE_KNOWN_FOR + timedelta(hours=1)):
        signs_in(scene, somebody.email, token=known)
    assert len(told(sql, somebody)) == 2  # it was forgotten meanwhile


def test_somebody_elses_device_is_a_new_one(scene: Scene, sql: Connection) -> None:
    thief, somebody = scene.with_password(), scene.with_password()
    token = signs_in(scene, thief.email)["device_token"]
    signs_in(scene, somebody.email, token=token)
    assert [change for change, _ in told(sql, somebody)] == ["new_device"]


def test_the_same_new_device_is_told_once_a_day(scene: Scene, sql: Connection, tmp_path: Path) -> None:
    somebody = scene.with_password()
    for _ in range(3):
        signs_in(scene, somebody.email)
    assert len(told(sql, somebody)) == 1
    signs_in(scene, somebody.email, name="Eve's Pixel")
    assert len(told(sql, somebody)) == 2
    with moved_clock(tmp_path, timedelta(days=1)):
        signs_in(scene, somebody.email)
    assert len(told(sql, somebody)) == 3


def test_the_first_sign_in_of_an_account_is_no_news(scene: Scene, sql: Connection) -> None:
    email = scene.signed_up()
    scene.client().post("/v1/auth/verify-email", {"email": email, "code": scene.mailed_code(email)})
    assert signs_in(scene, email)["access_token"]
    security = "SELECT title FROM notifications WHERE data ? 'security_change'"
    assert sql.execute_simple(security).rows == []
    signs_in(scene, email, name="Eve's Pixel")
    assert sql.execute_simple(security).rows == [["Somebody signed in on a new device"]]


def test_it_is_told_where_and_not_with_the_address(scene: Scene, sql: Connection) -> None:
    somebody = login(scene)
    ((body, data),) = sql.execute_unnamed(
        "SELECT body, data FROM notifications WHERE member_id = $1", (somebody.id,)
    ).rows
    assert "Eve's Pixel, from 203.0.113.0/24" in body
    assert data["network"] == "203.0.113.0/24"
    everything = str(sql.execute_simple("SELECT n::text, m::text FROM notifications n, mails m").rows)
    assert "203.0.113.7" not in everything


def test_the_mail_about_an_address_goes_to_the_old_one_and_to_the_new_one(scene: Scene, sql: Connection) -> None:
    somebody = confirm_email(scene)
    assert addresses(sql, somebody, "email_changed") == sorted([somebody.email, NEW_EMAIL])
    assert addresses(sql, somebody, "email_change_asked") == [somebody.email]
