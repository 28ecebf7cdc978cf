"""Approvals count when they are used: of people who have the role then, are not suspended, and do not profit."""

from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import store
from shared import db
from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import NOW, Somebody
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import RECIPIENT, Login, PayoutRows, rule_of
from tests.fakes.treasury_admins import EXCHANGE, TreasuryAdmin, treasury_admin
from tests.fakes.treasury_rows import held_for_review

pytest_plugins = ["tests.fakes.treasury_plugin"]

LOST = ["role = NULL", "role = 'support'", "role = 'operations'", "status = 'suspended'", "status = 'deleted'"]
OTHER = "0x8617E340B3D1FA5F11F306F4090FD50E238070CD"


@pytest.fixture
def people(client: Callable[..., FunctionClient], two_nodes: FakeNodes) -> list[TreasuryAdmin]:
    """One who asks, and three who may approve."""
    assert two_nodes
    return [treasury_admin(client) for _ in range(4)]


def change(sql: Connection, who: Somebody, what: str) -> None:
    sql.execute_unnamed(f"UPDATE members SET {what} WHERE id = $1", (who.id,))


@pytest.mark.parametrize("lost", LOST)
def test_the_approval_of_somebody_who_has_lost_the_role_is_replaced_by_anothers(
    lost: str, people: list[TreasuryAdmin], payout_driver: PayoutDriver, sql: Connection
) -> None:
    asks, second, third, fourth = people
    transfer = asks.send().body["id"]
    second.approve(transfer)
    change(sql, second.somebody, lost)

    last = third.approve(transfer).body
    assert (last["state"], last["approvals_given"]) == ("HELD", 1)
    payout_driver.send(UUID(transfer))
    assert payout_driver.chain.transfers() == []

    assert fourth.approve(transfer).body["state"] == "APPROVED"


def test_a_wallet_that_an_approver_links_after_the_approval_ends_it(
    people: list[TreasuryAdmin], sql: Connection
) -> None:
    asks, second, third, fourth = people
    transfer = asks.send().body["id"]
    second.approve(transfer)
    change(sql, second.somebody, f"wallet_address = '{EXCHANGE}'")

    assert third.approve(transfer).body["state"] == "HELD"
    assert fourth.approve(transfer).body["state"] == "APPROVED"


@pytest.mark.parametrize("is_former", [False, True])
def test_whose_wallet_it_is_or_was_neither_asks_nor_approves(
    is_former: bool, people: list[TreasuryAdmin], sql: Connection
) -> None:
    asks, owner, *_ = people
    change(sql, owner.somebody, f"wallet_address = '{EXCHANGE.lower()}'")
    if is_former:
        change(sql, owner.somebody, f"wallet_address = '{OTHER}'")
    transfer = asks.send().body["id"]

    assert owner.approve(transfer).problem == "approval-of-own-request"
    assert owner.send().problem == "own-interest"
    assert sql.execute_simple("SELECT count(*) FROM payout_approvals").rows == [[0]]


def test_who_asked_does_not_approve_by_another_account_of_theirs(people: list[TreasuryAdmin], sql: Connection) -> None:
    asks, second, *_ = people
    transfer = asks.send().body["id"]
    change(sql, asks.somebody, f"wallet_address = '{OTHER}'")
    change(sql, asks.somebody, "wallet_address = NULL")
    change(sql, second.somebody, f"wallet_address = '{OTHER}'")

    assert second.approve(transfer).problem == "approval-of-own-request"


def test_a_quarantine_waits_for_people_who_still_may(rows: PayoutRows, sql: Connection) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    with rows.login.transaction():
        rows.pause()
        rows.run("UPDATE payouts SET state = 'QUARANTINED', approvals_needed = 2, state_at = :now")
    first, second = (factories.member(role=Role.TREASURY) for _ in range(2))
    rows.sign_off(payout, first.id, second.id)
    change(sql, first, "role = NULL")

    assert db.atomically(store.agreed) == []
    assert rule_of(lambda: rows.move(payout, "IN_FLIGHT")) == "approvals"


@pytest.mark.parametrize("lost", LOST)
def test_the_schema_counts_only_who_may_still_approve(lost: str, rows: PayoutRows, sql: Connection) -> None:
    payout = held_for_review(rows, 1)
    approver, _ = (factories.member(role=Role.OWNER) for _ in range(2))  # an owner who may act is always left
    rows.sign_off(payout, approver.id)
    change(sql, approver, lost)
    assert rule_of(lambda: rows.approve(payout)) == "approvals"

    change(sql, approver, "wallet_address = NULL" if "deleted" in lost else "role = 'owner', status = 'active'")
    assert rule_of(lambda: rows.approve(payout)) == ("approvals" if "deleted" in lost else "")


def test_the_schema_takes_no_approval_and_no_request_of_who_profits(rows: PayoutRows, sql: Connection) -> None:
    affiliate = factories.member(role=Role.TREASURY)
    owner, winner = factories.member(role=Role.OWNER), factories.member(referred_by=affiliate)
    change(sql, owner, f"wallet_address = '{RECIPIENT}'")
    change(sql, owner, f"wallet_address = '{OTHER}'")

    assert rule_of(lambda: rows.sign_off(held_for_review(rows, 1), owner.id)) == "own_interest"
    assert rule_of(lambda: rows.sign_off(held_for_review(rows, 1, member_id=winner.id), affiliate.id)) == "own_interest"
    assert rule_of(lambda: rows.payout(source_kind="manual", requested_by=owner.id)) == "own_interest"


def test_how_many_people_agreed_is_the_schemas_own_count(rows: PayoutRows) -> None:
    payout = held_for_review(rows, 1)
    rows.run("UPDATE payouts SET people_agreed = 7 WHERE id = :payout", payout=payout)
    assert agreed(rows, payout) == 0
    rows.sign_off(payout, factories.member(role=Role.TREASURY).id)
    rows.run(
        "UPDATE payouts SET state = 'APPROVED', hold_reason = NULL, people_agreed = 7, state_at = :now "
        "WHERE id = :payout",
        payout=payout,
    )
    assert agreed(rows, payout) == 1


def agreed(rows: PayoutRows, payout: UUID) -> int:
    found: int = rows.login.value("SELECT people_agreed FROM payouts WHERE id = :x", x=payout)
    return found


def test_whose_wallet_it_was_is_written_by_the_schema_alone(app: Login, owner: Login) -> None:
    who = factories.member(wallet=OTHER)
    statements = ("DELETE FROM member_wallets", "UPDATE member_wallets SET address = '0x'")
    for statement in statements:
        assert rule_of(partial(app.run, statement)) == "42501"
        assert rule_of(partial(owner.run, statement)) == "append_only"
    insert = "INSERT INTO member_wallets (member_id, address, since) VALUES (:id, '0x1', now())"
    assert rule_of(partial(app.run, insert, id=who.id)) == "42501"


def test_the_schema_lets_nobody_set_a_tier_of_their_own_or_without_saying_who(app: Login) -> None:
    admin, winner = factories.member(role=Role.OPERATIONS), factories.member()
    referred = factories.member(referred_by=admin)

    assert rule_of(partial(override, app, admin, admin)) == "own_interest"
    assert rule_of(partial(override, app, referred, admin)) == "own_interest"
    unsigned = "INSERT INTO permanent_tiers (member_id, earned_tier, override_tier) VALUES (:id, 'standard', 'whale')"
    assert rule_of(partial(app.run, unsigned, id=admin.id)) == "override_author"
    factories.quarter(winner, Tier.WHALE, 0, "2026-Q4")
    unsigned = "UPDATE member_quarters SET override_tier = 'whale'"
    assert rule_of(partial(app.run, unsigned)) == "override_author"
    assert rule_of(partial(override, app, winner, admin)) == ""


def override(app: Login, member: Somebody, admin: Somebody) -> None:
    """A permanent tier with its line in the history."""
    with app.transaction():
        app.run(
            """
            INSERT INTO tier_history (member_id, kind, tier, is_permanent, scan_count, achieved_at, reason, set_by)
            VALUES (:member, 'override', 'whale', true, 0, :now, 'kind', :admin)
            """,
            member=member.id,
            admin=admin.id,
            now=NOW,
        )
        app.run(
            "INSERT INTO permanent_tiers (member_id, earned_tier, override_tier) VALUES (:id, 'standard', 'whale')",
            id=member.id,
        )


def test_the_schema_lets_nobody_judge_or_explain_what_is_theirs(app: Login, sql: Connection) -> None:
    admin = factories.member(role=Role.OPERATIONS)
    change(sql, admin, f"wallet_address = '{OTHER}'")
    factories.flagged_scan(admin)
    decide = "UPDATE flagged_scans SET status = 'cleared', decided_by = :admin, decided_at = :now, note = 'fine'"
    assert rule_of(partial(app.run, decide, admin=admin.id, now=NOW)) == "own_interest"

    made = uuid4()
    app.run(
        "INSERT INTO reconciliations (id, requested_by, requested_at) VALUES (:id, :admin, :now)",
        id=made,
        admin=admin.id,
        now=NOW,
    )
    app.run(
        """
        INSERT INTO reconciliation_findings
            (id, reconciliation_id, treasury, kind, ref, counterparty, expected, found, found_at)
        VALUES (:id, :id, 'member', 'unknown_transfer', 'x', :wallet, 0, 1, :now)
        """,
        id=made,
        wallet=OTHER,
        now=NOW,
    )
    explain = "UPDATE reconciliation_findings SET resolved_by = :admin, resolved_at = :now, resolution = 'fine'"
    assert rule_of(partial(app.run, explain, admin=admin.id, now=NOW)) == "own_interest"
