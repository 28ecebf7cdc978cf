"""A suspended member is refused everywhere, hears nothing, and is paid nothing until they are let in again."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.auth import proofs
from functions.auth import store as auth
from functions.notify import main as notifying
from functions.notify import store as pushes
from shared import clock, db
from shared.auth import Role
from shared.events import NotificationMade
from shared.messages.notifications import Note, notify
from shared.payouts import machine
from shared.payouts.machine import Promise
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of
from tests.operations.access import admin_roles, operations_for, send_example

pytest_plugins = ["tests.fakes.payout_plugin", "tests.contract.push_plugin"]

Client = Callable[..., FunctionClient]

OTHER = "0x" + "Cd" * 20
REASON = {"reason": "Codes of a stolen box"}


@pytest.fixture
def admin(client: Client) -> FunctionClient:
    return client(factories.member(role=Role.OPERATIONS).token)


@pytest.fixture
def somebody() -> Somebody:
    return factories.member(wallet=RECIPIENT)


def suspend(admin: FunctionClient, who: Somebody) -> Answer:
    return admin.post(f"/v1/admin/members/{who.id}/suspend", REASON)


def activate(admin: FunctionClient, who: Somebody) -> Answer:
    return admin.post(f"/v1/admin/members/{who.id}/activate", {"reason": "The box was theirs"})


def promised(who: Somebody | None, source_kind: str = "test", treasury: str = "member") -> UUID:
    source = str(who.id if who else "nobody") + source_kind
    made = Promise(treasury, source_kind, source, RECIPIENT, Usdt(AMOUNT), who.id if who else None, "test", source)
    return db.atomically(lambda tx: machine.request(tx, made, clock.now()))


def hold(payout_driver: PayoutDriver, payout: UUID) -> str:
    row = payout_driver.row(payout)
    return f"{row.state.value} {row.hold_reason.value}" if row.hold_reason else row.state.value


def test_it_is_told_kept_with_its_reason_and_undone(admin: FunctionClient, somebody: Somebody, sql: Connection) -> None:
    assert suspend(admin, somebody).body["status"] == "suspended"
    assert sql.execute_simple("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL").rows == [
        ["account suspended"]
    ]
    assert sql.execute_simple("SELECT member_id FROM listener_revocations").rows == [[somebody.id]]
    events = "SELECT count(*) FROM outbox WHERE destination LIKE '%listener-revoked%' OR body::text LIKE $1"
    assert sql.execute_unnamed(events, (f"%{somebody.id}%",)).rows[0][0] >= 1

    assert activate(admin, somebody).body["status"] == "active"
    audited = "SELECT action, resource_id, changes ->> 'reason' FROM audit_logs ORDER BY id"
    assert sql.execute_simple(audited).rows == [
        ["member.suspend", str(somebody.id), REASON["reason"]],
        ["member.activate", str(somebody.id), "The box was theirs"],
    ]


def test_neither_is_done_twice_nor_to_nobody_nor_without_a_reason(
    admin: FunctionClient, somebody: Somebody, sql: Connection
) -> None:
    assert activate(admin, somebody).problem == "member-not-suspended"
    suspend(admin, somebody)
    again = suspend(admin, somebody)
    assert (again.problem, again.body["member_status"]) == ("member-not-active", "suspended")
    nobody = Somebody(UUID(int=7), "", "")
    assert [act(admin, nobody).problem for act in (suspend, activate)] == ["not-found"] * 2
    path = f"/v1/admin/members/{somebody.id}/activate"
    assert [admin.post(path, body).problem for body in ({}, {"reason": " a "})] == ["not-valid"] * 2

    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (somebody.id,))
    assert [act(admin, somebody).problem for act in (suspend, activate)] == [
        "member-not-active",
        "member-not-suspended",
    ]


def test_only_an_owner_suspends_and_activates_admins_and_nobody_themselves(
    admin: FunctionClient, client: Client
) -> None:
    treasury_admin, owner = factories.member(role=Role.TREASURY), factories.member(role=Role.OWNER)
    assert suspend(admin, treasury_admin).problem == "member-is-admin"
    assert suspend(client(owner.token), owner).problem == "member-is-admin"
    assert suspend(client(owner.token), treasury_admin).status == 200
    assert activate(admin, treasury_admin).problem == "member-is-admin"
    assert activate(client(owner.token), treasury_admin).status == 200


def test_nothing_that_takes_a_token_works_any_more(client: Client, sql: Connection) -> None:
    """The matrix of tests/access.yaml: with the session that has ended, and with one that should not be there."""
    people = [factories.member(), *(factories.member(role=role) for role in Role if role is not Role.OWNER)]
    owner = client(factories.member(role=Role.OWNER).token)
    assert {suspend(owner, who).status for who in people} == {200}
    tried = 0
    for sessions, refusal in (("ended", (401, "token-not-valid")), ("alive", (403, "member-suspended"))):
        if sessions == "alive":
            sql.execute_simple("UPDATE sessions SET ended_at = NULL, end_reason = NULL")
        for operation, _ in operations_for("member", *admin_roles()):
            for who in people:
                answer, tried = send_example(client(who.token), operation), tried + 1
                assert (answer.status, answer.problem) == refusal, (operation.operation_id, sessions)
    assert tried > 600


def test_doors_that_ask_for_no_token_stay_shut_too(client: Client, admin: FunctionClient, sql: Connection) -> None:
    """No code that was mailed before proves or resets anything, and no other is mailed."""
    somebody = factories.member()
    sql.execute_unnamed("UPDATE members SET email_verified_at = NULL WHERE id = $1", (somebody.id,))
    suspend(admin, somebody)
    sql.execute_simple("DELETE FROM mails")
    for path in ("verify-email/resend", "reset-password"):
        assert client().post(f"/v1/auth/{path}", {"email": somebody.email}).status == 202
    assert sql.execute_simple("SELECT count(*) FROM mails").rows == [[0]]

    to = proofs.Addressee(somebody.id, somebody.email, "Test Member")
    purposes: list[tuple[proofs.Purpose, datetime | None]] = [("verify", None), ("reset", clock.now())]
    for purpose, proved_at in purposes:
        sql.execute_unnamed("UPDATE members SET email_verified_at = $1 WHERE id = $2", (proved_at, somebody.id))
        db.atomically(partial(proofs.send, purpose=purpose, to=to, ticket=None, now=clock.now()))
        opened = partial(auth.open_code, email=somebody.email, purpose=purpose, ticket=None, now=clock.now())
        assert db.atomically(opened) is None


def test_payments_are_held_for_a_reason_of_their_own_and_go_on_by_themselves(
    admin: FunctionClient, somebody: Somebody, payout_driver: PayoutDriver, sql: Connection
) -> None:
    suspend(admin, somebody)
    payout, other = promised(somebody), promised(somebody, "other")
    for waiting in (payout, other):
        payout_driver.send(waiting)
        assert hold(payout_driver, waiting) == "HELD suspended"
    assert payout_driver.sweep() == []
    assert sql.execute_simple("SELECT DISTINCT approvals_needed FROM payouts").rows == [[0]]

    before = len(payout_driver._asked())
    activate(admin, somebody)
    assert sorted(payout_driver._asked()[before:]) == sorted([payout, other])
    for waiting in (payout, other):
        payout_driver.send(waiting)
        assert payout_driver.state(waiting) == "IN_FLIGHT"


def test_the_sweep_sends_on_what_an_activation_has_not(
    admin: FunctionClient, somebody: Somebody, payout_driver: PayoutDriver
) -> None:
    suspend(admin, somebody)
    payout = promised(somebody)
    to_their_wallet = promised(None)
    for waiting in (payout, to_their_wallet):
        payout_driver.send(waiting)
        assert hold(payout_driver, waiting) == "HELD suspended"
    activate(admin, somebody)
    assert sorted(payout_driver.sweep()) == sorted([payout, to_their_wallet])


def test_two_people_do_not_pay_a_suspended_member(
    admin: FunctionClient, somebody: Somebody, payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    suspend(admin, somebody)
    payout = promised(somebody)
    payout_driver.send(payout)
    rows.sign_off(payout, *(factories.member(role=Role.TREASURY).id for _ in range(2)))
    db.atomically(lambda tx: machine.release(tx, payout, clock.now()))
    payout_driver.send(payout)
    assert hold(payout_driver, payout) == "HELD suspended"


@pytest.mark.parametrize("state", ["APPROVED", "RESERVED"])
def test_who_is_suspended_on_the_way_gets_no_nonce(
    state: str, admin: FunctionClient, somebody: Somebody, payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    payout = rows.payout(state, member_id=somebody.id)
    suspend(admin, somebody)
    payout_driver.try_to_send(payout)
    assert hold(payout_driver, payout) == "HELD suspended"
    assert payout_driver.chain.transfers() == []

    activate(admin, somebody)
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    assert payout_driver.state(payout) == "PAID"


def test_a_nonce_that_was_taken_for_somebody_suspended_since_is_used_up_by_nothing(
    admin: FunctionClient, somebody: Somebody, payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    payout, other = rows.payout("IN_FLIGHT", member_id=somebody.id), payout_driver.request(recipient=OTHER)
    suspend(admin, somebody)
    payout_driver.send(other)
    payout_driver.finalize(payout)
    assert payout_driver.state(payout) == "RESERVED"
    payout_driver.finalize(other)
    assert [moved.recipient for moved in payout_driver.chain.transfers()] == [OTHER.lower()]

    payout_driver.send(payout)
    assert hold(payout_driver, payout) == "HELD suspended"


def test_the_schema_gives_no_nonce_and_no_signature(
    admin: FunctionClient, somebody: Somebody, rows: PayoutRows
) -> None:
    waiting, taken = rows.payout("RESERVED", member_id=somebody.id), rows.payout("IN_FLIGHT", member_id=somebody.id)
    suspend(admin, somebody)
    assert rule_of(lambda: rows.allocate(waiting)) == "suspended"
    assert rule_of(lambda: rows.sign(taken)) == "suspended"
    activate(admin, somebody)
    assert rule_of(lambda: rows.sign(taken)) == ""


def test_phones_stay_silent(admin: FunctionClient, somebody: Somebody, sql: Connection) -> None:
    sql.execute_unnamed(
        """
        INSERT INTO devices (id, member_id, session_id, platform, token, registered_at)
        SELECT gen_random_uuid(), member_id, id, 'ios', repeat('ab', 32), now() FROM sessions WHERE member_id = $1
        """,
        (somebody.id,),
    )
    note = Note(somebody.id, "system", "Hello", "there", {}, "hello")
    made = db.atomically(lambda tx: notify(tx, note, clock.now()))
    assert made
    found = db.atomically(lambda tx: pushes.notification(tx, made))
    assert found
    (device_id,) = db.atomically(lambda tx: pushes.waiting(tx, found, clock.now(), 10))
    suspend(admin, somebody)

    notifying.tell(NotificationMade(notification_id=made), clock.now())
    claimed = db.atomically(lambda tx: pushes.claim(tx, found, device_id, clock.now(), clock.now()))
    assert claimed is None
    assert sql.execute_simple("SELECT count(*) FROM pushes").rows == [[0]]
