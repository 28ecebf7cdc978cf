"""A payout changes its state only along the table of payouts.md, and only with what must stand beside the change."""

from functools import partial
from uuid import UUID

import pytest

from tests import factories
from tests.fakes.payout_rows import AMOUNT, Login, PayoutRows, new_hash, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

ALLOWED = {
    "REQUESTED": {"APPROVED", "HELD", "CANCELLED"},
    "HELD": {"APPROVED", "CANCELLED", "HELD"},
    "APPROVED": {"RESERVED", "HELD", "CANCELLED"},
    "RESERVED": {"IN_FLIGHT", "HELD", "CANCELLED"},
    "IN_FLIGHT": {"PAID", "RESERVED", "HELD", "QUARANTINED"},
    "QUARANTINED": {"IN_FLIGHT", "PAID", "HELD"},
    "PAID": set(),
    "CANCELLED": set(),
}
NO_RIGHT = "42501"


def move(rows: PayoutRows, payout: UUID, state: str) -> None:
    """With every column that the state asks for."""
    if state == "PAID":
        rows.settle(payout, new_hash())
    else:
        rows.move(payout, state, "review" if state == "HELD" else None)


def test_whatever_the_table_does_not_name_is_refused_to_functions_and_owner(rows: PayoutRows, owner: Login) -> None:
    for state, allowed in ALLOWED.items():
        payout = rows.payout(state)
        for target in ALLOWED.keys() - allowed - {state}:
            assert rule_of(partial(move, rows, payout, target)) == "I4_transition", (state, target)
            assert rule_of(partial(move, PayoutRows(owner), payout, target)) == "I4_transition", (state, target)
        assert rows.state(payout) == state
        if state == "QUARANTINED":
            rows.unpause()


def test_the_table_in_the_database_is_the_one_of_the_design(app: Login) -> None:
    pairs = {(before, after) for before, after in app.run("SELECT from_state, to_state FROM payout_transitions")}

    assert pairs == {(before, after) for before, targets in ALLOWED.items() for after in targets}


def test_nobody_but_a_migration_adds_a_transition(app: Login) -> None:
    for table in ("payout_transitions", "slot_transitions"):
        add = f"INSERT INTO {table} SELECT to_state, from_state FROM {table} ON CONFLICT DO NOTHING"
        assert rule_of(partial(app.run, add)) == NO_RIGHT, table


def test_no_transition_is_changed_or_taken_away(owner: Login) -> None:
    for table in ("payout_transitions", "slot_transitions"):
        for statement in ("DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET to_state = from_state"):
            assert rule_of(partial(owner.run, statement.format(table))) == "append_only", (table, statement)


def test_nothing_is_reserved_without_its_journal(rows: PayoutRows) -> None:
    payout = rows.payout("APPROVED")

    assert rule_of(lambda: rows.move(payout, "RESERVED")) == "I12_reserved"


def test_a_journal_of_another_amount_reserves_nothing(rows: PayoutRows) -> None:
    payout = rows.payout("APPROVED")
    rows.journal(f"resv:{payout}", treasury=-1, in_flight=1)

    assert rule_of(lambda: rows.move(payout, "RESERVED")) == "I12_reserved"


def test_nothing_is_in_flight_without_a_slot(rows: PayoutRows) -> None:
    payout = rows.payout("RESERVED")

    assert rule_of(lambda: rows.move(payout, "IN_FLIGHT")) == "I6_open_slot"


def test_while_a_slot_may_still_pay_nothing_but_the_chain_moves_the_payout(rows: PayoutRows) -> None:
    ways = {"ALLOCATED": (), "LIVE": (rows.sign,), "MINED": (rows.sign, rows.mine)}
    ways["FOREIGN"] = (lambda payout: rows.slot_to(rows.slot(payout), "FOREIGN"),)
    for state, steps in ways.items():
        payout = rows.payout("IN_FLIGHT")
        for step in steps:
            step(payout)
        assert rule_of(partial(rows.move, payout, "RESERVED")) == "R2_one_slot", state
        assert rule_of(partial(rows.move, payout, "HELD", "reverted")) == "R2_held", state
        assert rule_of(partial(rows.settle, payout, new_hash())) == "I11_paid", state


def test_a_reserved_payout_with_a_slot_is_not_held_back(rows: PayoutRows) -> None:
    payout = rows.payout("RESERVED")

    rows.login.run("BEGIN")
    rows.take_nonce(payout)

    assert rule_of(lambda: rows.move(payout, "HELD", "paused")) == "R2_held"


def final(rows: PayoutRows, payout: UUID, outcome: str) -> None:
    """The slot's end alone, in the open transaction."""
    slot = rows.slot(payout)
    kind = "NOOP" if outcome == "FINAL_NOOP" else "PAY"
    winner = rows.attempt(slot, kind=kind)
    rows.slot_to(slot, "LIVE")
    rows.slot_to(slot, "MINED", winner, succeeded=outcome != "FINAL_REVERTED")
    rows.slot_to(slot, outcome)


@pytest.mark.parametrize("outcome", ["FINAL_NOOP", "FINAL_REVERTED"])
def test_after_an_end_that_did_not_pay_it_may_be_sent_again(rows: PayoutRows, outcome: str) -> None:
    payout = rows.payout("IN_FLIGHT")

    with rows.login.transaction():
        final(rows, payout, outcome)
        rows.move(payout, "RESERVED")
    rows.allocate(payout)

    assert (rows.state(payout), rows.slot(payout)[1]) == ("IN_FLIGHT", 1)


def test_a_reverted_payment_is_held_with_its_money_still_set_aside(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")

    with rows.login.transaction():
        final(rows, payout, "FINAL_REVERTED")
        rows.move(payout, "HELD", "reverted")

    assert rows.state(payout) == "HELD"
    assert rule_of(lambda: rows.cancel(payout)) == "R2_cancelled"
    with rows.login.transaction():
        rows.post(f"cancel:{payout}", treasury=AMOUNT, in_flight=-AMOUNT)
        rows.cancel(payout)
    assert rows.state(payout) == "CANCELLED"


def paid_on_chain(rows: PayoutRows) -> UUID:
    """FINAL_PAY without the rest, in the open transaction."""
    payout = rows.payout("IN_FLIGHT")
    rows.login.run("BEGIN")
    final(rows, payout, "FINAL_PAY")
    return payout


@pytest.mark.parametrize(
    ("state", "reason", "rule"), [("RESERVED", None, "R2_one_slot"), ("HELD", "review", "R2_held")]
)
def test_what_was_paid_goes_nowhere_but_paid(rows: PayoutRows, state: str, reason: str | None, rule: str) -> None:
    payout = paid_on_chain(rows)

    assert rule_of(lambda: rows.move(payout, state, reason)) == rule


def test_paid_needs_the_journal(rows: PayoutRows) -> None:
    payout = paid_on_chain(rows)

    assert rule_of(lambda: rows.settle(payout, rows.last_hash(rows.slot(payout)))) == "I11_paid"


def test_paid_needs_the_journal_of_its_own_amount(rows: PayoutRows) -> None:
    payout = paid_on_chain(rows)
    rows.post(f"paid:{payout}", in_flight=-1, paid=1)

    assert rule_of(lambda: rows.settle(payout, rows.last_hash(rows.slot(payout)))) == "I11_paid"


def test_paid_names_the_transaction_that_paid(rows: PayoutRows) -> None:
    payout = paid_on_chain(rows)
    rows.post(f"paid:{payout}", in_flight=-AMOUNT, paid=AMOUNT)

    assert rule_of(lambda: rows.settle(payout, new_hash())) == "I11_paid"


def test_paid_needs_the_chain_whatever_the_journal_says(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    rows.mine(payout)
    rows.journal(f"paid:{payout}", in_flight=-AMOUNT, paid=AMOUNT)

    assert rule_of(lambda: rows.settle(payout, rows.last_hash(rows.slot(payout)))) == "I11_paid"


def test_final_pay_and_paid_are_one_commit(rows: PayoutRows) -> None:
    paid_on_chain(rows)

    assert rule_of(lambda: rows.login.run("COMMIT")) == "coupled"


def test_a_slot_and_in_flight_are_one_commit(rows: PayoutRows) -> None:
    payout = rows.payout("RESERVED")
    rows.login.run("BEGIN")
    rows.take_nonce(payout)

    assert rule_of(lambda: rows.login.run("COMMIT")) == "coupled"


def test_reserved_money_is_given_back_before_a_payout_is_cancelled(rows: PayoutRows) -> None:
    payout = rows.payout("RESERVED")

    assert rule_of(lambda: rows.cancel(payout)) == "R2_cancelled"
    with rows.login.transaction():
        rows.post(f"cancel:{payout}", treasury=AMOUNT, in_flight=-AMOUNT)
        rows.cancel(payout)
    assert rows.state(payout) == "CANCELLED"


def test_a_payout_is_not_cancelled_while_its_slot_is_being_taken(rows: PayoutRows, owner: Login) -> None:
    payout = rows.payout("RESERVED")
    rows.login.run("BEGIN")
    rows.take_nonce(payout)  # and has not committed yet
    owner.run("SET lock_timeout = '200ms'")
    other = PayoutRows(owner)

    def give_back() -> None:
        with owner.transaction():
            other.post(f"cancel:{payout}", treasury=AMOUNT, in_flight=-AMOUNT)
            other.cancel(payout)

    assert rule_of(give_back) == "55P03"  # it waits for the one who takes the slot
    rows.move(payout, "IN_FLIGHT")
    rows.login.run("COMMIT")
    assert rule_of(give_back) == "I4_transition"


def test_a_payout_is_quarantined_only_together_with_its_treasury(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")

    assert rule_of(lambda: rows.move(payout, "QUARANTINED")) == "R5_paused"


def test_no_row_is_ever_deleted_or_truncated(rows: PayoutRows, owner: Login) -> None:
    rows.payout("PAID")

    for table in ("payouts", "payout_slots", "payout_attempts", "payout_events", "payout_policy_runs"):
        for statement in (f"TRUNCATE {table} CASCADE", f"DELETE FROM {table}"):
            assert rule_of(partial(owner.run, statement)) in ("append_only", "never_deleted"), statement
            assert rule_of(partial(rows.login.run, statement)) in ("never_deleted", NO_RIGHT), statement


def test_the_diary_has_every_change_of_state(rows: PayoutRows) -> None:
    payout = rows.payout("PAID")

    found = rows.login.run(
        "SELECT kind, detail->>'to' FROM payout_events WHERE payout_id = :payout ORDER BY id", payout=payout
    )

    assert found == [
        ["payout_state", "REQUESTED"],
        ["payout_state", "APPROVED"],
        ["payout_state", "RESERVED"],
        ["slot_state", "ALLOCATED"],
        ["payout_state", "IN_FLIGHT"],
        ["slot_state", "LIVE"],
        ["slot_state", "MINED"],
        ["slot_state", "FINAL_PAY"],
        ["payout_state", "PAID"],
    ]


def test_members_who_leave_do_not_take_payouts_along(owner: Login, rows: PayoutRows) -> None:
    member = factories.member()
    rows.payout(member_id=member.id)

    assert rule_of(lambda: owner.run("TRUNCATE members CASCADE")) in {"append_only", "never_deleted"}
    assert rule_of(lambda: owner.run("DELETE FROM members WHERE id = :id", id=member.id)) != ""
