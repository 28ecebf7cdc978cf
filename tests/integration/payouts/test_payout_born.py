"""A payout is born once per source, in its first state, with terms that nobody changes afterwards."""

import itertools
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from shared import db
from shared.payouts import machine
from shared.payouts.machine import Promise, TermsDiffer
from shared.values.money import Usdt
from tests import factories
from tests.fakes.payout_rows import NOW, RECIPIENT, Login, PayoutRows, new_hash, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

STATES = ("HELD", "APPROVED", "RESERVED", "IN_FLIGHT", "PAID", "QUARANTINED", "CANCELLED")


def promise(**other: object) -> Promise:
    given: dict[str, object] = {
        "treasury": "member",
        "source_kind": "comp",
        "source_id": "c1",
        "recipient_address": RECIPIENT,
    }
    given |= {"amount": Usdt.of(5), "member_id": None, "scope": "comps", "idempotency_key": "k1"}
    return Promise(**(given | other))  # type: ignore[arg-type]  # the fields of the dataclass


def request(**other: object) -> UUID:
    return db.atomically(lambda tx: machine.request(tx, promise(**other), NOW))


def test_no_payout_is_born_in_a_later_state(app: Login, owner: Login) -> None:
    insert = """
        INSERT INTO payouts (id, treasury, scope, idempotency_key, body_hash, source_kind, source_id, state, state_at,
                             recipient_address, amount, requested_at, hold_reason, paid_at, transaction_hash)
        VALUES (gen_random_uuid(), 'member', 'test', '1', '', 'test', '1', :state, now(), :recipient, 5, now(), :reason,
                :paid_at, :hash)
        """
    for state in STATES:
        paid = state == "PAID"
        values = {"reason": "review" if state == "HELD" else None, "paid_at": NOW if paid else None}
        values |= {"state": state, "recipient": RECIPIENT, "hash": new_hash() if paid else None}
        for login in (app, owner):
            assert rule_of(partial(login.run, insert, **values)) == "I13_born", state


def test_a_payout_has_an_amount_that_can_be_sent(rows: PayoutRows) -> None:
    for amount in (0, -1, 2**63):
        assert rule_of(partial(rows.payout, amount=amount)) != "", amount


def test_a_payout_has_a_recipient_that_the_chain_can_hold(rows: PayoutRows) -> None:
    for address in ("", "0x", "0x" + "g" * 40, "0x" + "a" * 39, "0x" + "a" * 41, "a" * 42, None):
        assert rule_of(partial(rows.payout, recipient_address=address)) != "", address


def test_one_source_is_never_two_payouts_whatever_the_keys(rows: PayoutRows) -> None:
    rows.payout(source_kind="comp", source_id="c1", idempotency_key="k1")

    rule = rule_of(lambda: rows.payout(source_kind="comp", source_id="c1", idempotency_key="k2"))

    assert rule == "payouts_source_kind_source_id_key"


def test_another_spelling_is_not_another_source(rows: PayoutRows) -> None:
    rows.payout(source_kind="comp", source_id="c1")

    spellings = (("Comp", "c1"), ("comp", "C1"), ("comp", " c1"), ("comp ", "c1"), ("comp", "c1\n"))
    assert [given for given in spellings if rule_of(partial(rows.payout, **source(*given))) == ""] == []


def source(kind: str, identity: str) -> dict[str, str]:
    return {"source_kind": kind, "source_id": identity}


def test_one_key_is_never_two_payouts(rows: PayoutRows) -> None:
    rows.payout(scope="s", idempotency_key="k1")

    rule = rule_of(lambda: rows.payout(scope="s", idempotency_key="k1"))

    assert rule == "payouts_scope_idempotency_key_key"


def test_asking_again_gives_the_same_payout_and_no_second_task(app: Login) -> None:
    assert request() == request() == request(idempotency_key="k2")
    assert app.run("SELECT count(*) FROM payouts") == [[1]]
    assert app.run("SELECT destination FROM outbox") == [["payout-send-member"]]


def test_asking_again_with_other_terms_is_refused() -> None:
    request()

    for column, value in (("amount", Usdt.of(6)), ("recipient_address", "0x" + "1" * 40), ("treasury", "affiliate")):
        with pytest.raises(TermsDiffer):
            request(**{column: value})


def test_a_key_of_one_source_is_not_taken_for_another(app: Login) -> None:
    request()
    request(source_id="c2", idempotency_key="k2")

    for source, key in (("c2", "k1"), ("c1", "k2"), ("c3", "k1")):
        with pytest.raises(TermsDiffer):
            request(source_id=source, idempotency_key=key)
    assert app.run("SELECT count(*) FROM payouts") == [[2]]


TERMS = {
    "id": uuid4(),
    "treasury": "affiliate",
    "scope": "other",
    "idempotency_key": "other",
    "body_hash": b"other",
    "source_kind": "other",
    "source_id": "other",
    "recipient_address": "0x" + "1" * 40,
    "amount": 5_000_001,
    "requested_at": NOW + timedelta(seconds=1),
}


def test_no_term_of_a_payout_changes_in_any_state(rows: PayoutRows, owner: Login) -> None:
    changes = [*TERMS.items(), ("member_id", factories.member().id)]

    for state in ("REQUESTED", "CANCELLED", "HELD", "APPROVED", "RESERVED", "IN_FLIGHT", "PAID", "QUARANTINED"):
        payout = rows.payout(state)
        for login, (column, value) in itertools.product((rows.login, owner), changes):
            sql = f"UPDATE payouts SET {column} = :value WHERE id = :payout"
            assert rule_of(partial(login.run, sql, value=value, payout=payout)) == "I3_terms", (state, column)


BESIDES = {
    "state_at": "state_at - interval '1 day'",
    "approvals_needed": "0",
    "paid_at": "paid_at + interval '1 day'",
    "transaction_hash": f"'0x{'e' * 64}'",
}


def test_what_a_hold_waits_for_is_not_lowered_while_it_is_held(rows: PayoutRows, owner: Login) -> None:
    payout = rows.payout()
    rows.run(
        "UPDATE payouts SET state = 'HELD', hold_reason = 'review', approvals_needed = 2 WHERE id = :id", id=payout
    )

    assert changed(rows.login, "state_at", "approvals_needed") == []
    assert changed(owner, "state_at", "approvals_needed") == []


def test_what_is_paid_keeps_its_time_and_transaction(rows: PayoutRows, owner: Login) -> None:
    rows.payout("PAID")

    assert changed(rows.login, "paid_at", "transaction_hash", "state_at") == []
    assert changed(owner, "paid_at", "transaction_hash", "state_at") == []


def changed(login: Login, *columns: str) -> list[str]:
    """The columns that can be set to another value."""
    sets = {column: f"UPDATE payouts SET {column} = {BESIDES[column]}" for column in columns}
    return [column for column, change in sets.items() if rule_of(partial(login.run, change)) == ""]


def test_a_promise_does_not_wait_for_the_treasury_that_is_being_read(rows: PayoutRows) -> None:
    """A winning scan holds the global counter: it must not queue behind payout_send's look at the treasury."""
    with db.transaction() as tx:
        machine.treasury_of(tx, "member")
        rows.login.run("SET lock_timeout = '200ms'")

        assert rule_of(rows.payout) == ""


def test_the_policy_is_recorded_before_it_approves(rows: PayoutRows) -> None:
    payout = rows.payout()

    assert rule_of(lambda: rows.move(payout, "APPROVED")) == "policy"
