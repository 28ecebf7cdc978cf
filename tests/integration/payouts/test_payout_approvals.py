"""Held money moves again when enough people agree: each counted once, for this hold, and never the one who asked."""

from functools import partial
from uuid import UUID

import pytest

from shared.auth import Role
from tests import factories
from tests.fakes.payout_rows import Login, PayoutRows, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]


@pytest.fixture
def people(database: str) -> list[UUID]:
    """Three who may approve."""
    assert database
    return [factories.member(role=Role.TREASURY).id for _ in range(3)]


def held(rows: PayoutRows, approvals: int, member_id: UUID | None = None) -> UUID:
    payout = rows.payout(member_id=member_id)
    rows.run(
        """
        UPDATE payouts SET state = 'HELD', hold_reason = 'review', approvals_needed = :approvals, state_at = :now
        WHERE id = :payout
        """,
        payout=payout,
        approvals=approvals,
    )
    return payout


def test_it_waits_for_as_many_people_as_were_asked_for(rows: PayoutRows, people: list[UUID]) -> None:
    payout = held(rows, 2)

    assert rule_of(lambda: rows.approve(payout)) == "approvals"
    rows.sign_off(payout, people[0])
    assert rule_of(lambda: rows.approve(payout)) == "approvals"
    rows.sign_off(payout, people[1])
    rows.approve(payout)
    assert rows.state(payout) == "APPROVED"


def test_one_person_is_one_approval_however_often(rows: PayoutRows, people: list[UUID]) -> None:
    payout = held(rows, 2)
    rows.sign_off(payout, people[0])
    again = (
        "INSERT INTO payout_approvals (payout_id, approver_id, approved_at) "
        "VALUES (:payout, :approver, CAST(:now AS timestamptz) + interval '1 hour')"
    )

    rule_of(lambda: rows.run(again, payout=payout, approver=people[0]))

    assert rule_of(lambda: rows.approve(payout)) == "approvals"


def test_approving_one_payout_approves_no_other(rows: PayoutRows, people: list[UUID]) -> None:
    first, second = held(rows, 1), held(rows, 1)
    rows.sign_off(first, people[0])

    assert rule_of(lambda: rows.approve(second)) == "approvals"


def test_approvals_of_an_earlier_hold_do_not_count_for_a_later_one_whatever_their_time(
    rows: PayoutRows, people: list[UUID]
) -> None:
    payout = held(rows, 1)
    rows.run(
        """
        INSERT INTO payout_approvals (payout_id, approver_id, approved_at)
        VALUES (:payout, :approver, CAST(:now AS timestamptz) + interval '1 day')
        """,
        payout=payout,
        approver=people[0],
    )
    rows.approve(payout)
    rows.run("UPDATE payouts SET state = 'HELD', hold_reason = 'reverted', approvals_needed = 1, state_at = :now")

    assert rule_of(lambda: rows.approve(payout)) == "approvals"


def test_nobody_approves_what_is_not_held(rows: PayoutRows, people: list[UUID]) -> None:
    for state in ("REQUESTED", "APPROVED", "CANCELLED", "PAID"):
        payout = rows.payout(state)
        assert rule_of(partial(rows.sign_off, payout, people[0])) == "approvals", state


def test_neither_the_requester_nor_the_recipient_approves(rows: PayoutRows, app: Login, people: list[UUID]) -> None:
    payout = held(rows, 1, member_id=people[0])
    assert rule_of(lambda: rows.sign_off(payout, people[0])) == "approvals"

    columns = [name for (name,) in app.run("SELECT attname FROM pg_attribute WHERE attrelid = 'payouts'::regclass")]
    assert "requested_by" in columns  # who asked for a manual transfer: known from birth, as its other terms


def test_held_without_approvals_is_released_by_the_machine(rows: PayoutRows) -> None:
    payout = rows.payout("HELD")

    rows.approve(payout)

    assert rows.state(payout) == "APPROVED"


@pytest.mark.parametrize("approvals", [0, 2])
def test_quarantine_ends_with_two_people_at_least(rows: PayoutRows, people: list[UUID], approvals: int) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    with rows.login.transaction():
        rows.pause()
        rows.run(
            "UPDATE payouts SET state = 'QUARANTINED', approvals_needed = :approvals, state_at = :now",
            approvals=approvals,
        )

    rows.sign_off(payout, people[0])
    assert rule_of(lambda: rows.move(payout, "IN_FLIGHT")) == "approvals"
    rows.sign_off(payout, people[1])
    rows.move(payout, "IN_FLIGHT")
    assert rows.state(payout) == "IN_FLIGHT"


def test_approvals_are_never_changed_or_removed(rows: PayoutRows, owner: Login, people: list[UUID]) -> None:
    rows.sign_off(held(rows, 1), people[0])

    for change in ("UPDATE payout_approvals SET evidence = '{}'", "DELETE FROM payout_approvals"):
        assert rule_of(partial(owner.run, change)) == "append_only"
        assert rule_of(partial(rows.login.run, change)) == "42501"
