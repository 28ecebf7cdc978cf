"""The tables carry what the machine will have to do: bumps, no-ops, reorganisations, strangers, restores, new keys.

Each test walks one such way in plain SQL, to show that nothing in the schema stands in it.
"""

from uuid import UUID

from shared.auth import Role
from tests import factories
from tests.fakes.payout_rows import AMOUNT, FEE, TIP, PayoutRows, new_hash, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]


def win(rows: PayoutRows, payout: UUID, winner: str) -> None:
    """An attempt of ours is mined and final, and the payout paid."""
    slot = rows.slot(payout)
    with rows.login.transaction():
        rows.slot_to(slot, "MINED", winner)
        rows.slot_to(slot, "FINAL_PAY")
        rows.post(f"paid:{payout}", in_flight=-AMOUNT, paid=AMOUNT)
        rows.settle(payout, winner)


def test_a_bumped_payment_may_be_won_by_its_first_signature(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    first = rows.last_hash(rows.slot(payout))
    for bump in (1, 2, 3):
        rows.attempt(rows.slot(payout), fee=FEE * 2**bump, tip=TIP * 2**bump)

    win(rows, payout, first)

    assert rows.state(payout) == "PAID"


def test_a_payment_that_was_given_up_may_still_win_the_race(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    first = rows.last_hash(rows.slot(payout))
    rows.attempt(rows.slot(payout), kind="NOOP", fee=FEE * 2, tip=TIP * 2)

    win(rows, payout, first)

    assert rows.state(payout) == "PAID"


def test_a_payment_that_was_given_up_is_sent_again_or_cancelled(rows: PayoutRows) -> None:
    again, cancelled = rows.payout("IN_FLIGHT"), rows.payout("IN_FLIGHT")
    for payout in (again, cancelled):
        rows.sign(payout)
        slot = rows.slot(payout)
        noop = rows.attempt(slot, kind="NOOP", fee=FEE * 2, tip=TIP * 2)
        with rows.login.transaction():
            rows.slot_to(slot, "MINED", noop)
            rows.slot_to(slot, "FINAL_NOOP")
            rows.move(payout, "RESERVED")

    for step in (rows.allocate, rows.sign, rows.mine, rows.pay):
        step(again)
    with rows.login.transaction():
        rows.post(f"cancel:{cancelled}", treasury=AMOUNT, in_flight=-AMOUNT)
        rows.cancel(cancelled)

    assert (rows.state(again), rows.state(cancelled)) == ("PAID", "CANCELLED")


def test_a_reverted_payment_is_released_by_a_person_and_sent_again(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    slot = rows.slot(payout)
    rows.slot_to(slot, "MINED", rows.last_hash(slot), succeeded=False)
    with rows.login.transaction():
        rows.slot_to(slot, "FINAL_REVERTED")
        rows.run("UPDATE payouts SET state = 'HELD', hold_reason = 'reverted', approvals_needed = 1, state_at = :now")

    rows.sign_off(payout, factories.member(role=Role.TREASURY).id)
    rows.approve(payout)
    rows.move(payout, "RESERVED")  # its money never left the account in_flight
    for step in (rows.allocate, rows.sign, rows.mine, rows.pay):
        step(payout)

    assert rows.login.run("SELECT state FROM payout_slots ORDER BY nonce") == [["FINAL_REVERTED"], ["FINAL_PAY"]]
    assert rows.login.value("SELECT sum(balance) FROM ledger_balances WHERE account = 'paid:member'") == AMOUNT


def test_a_reorganisation_takes_a_payment_back_and_brings_it_elsewhere(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    slot = rows.slot(payout)
    first = rows.last_hash(slot)
    rows.mine(payout)
    rows.slot_to(slot, "LIVE")
    second = rows.attempt(slot, fee=FEE * 2, tip=TIP * 2)
    rows.slot_to(slot, "MINED", second)
    rows.slot_to(slot, "MINED", first)
    rows.slot_to(slot, "LIVE")

    win(rows, payout, second)

    assert rows.state(payout) == "PAID"


def quarantined(rows: PayoutRows) -> tuple[UUID, tuple[str, int]]:
    payout = rows.payout("QUARANTINED")
    for _ in range(2):
        rows.sign_off(payout, factories.member(role=Role.TREASURY).id)
    return payout, rows.slot(payout)


def test_a_foreign_nonce_turns_out_to_be_our_own_lost_signature(rows: PayoutRows) -> None:
    payout, slot = quarantined(rows)

    found = rows.attempt(slot, origin="recovered", fee=FEE, tip=TIP, epoch=0)
    win(rows, payout, found)

    assert rows.state(payout) == "PAID"


def test_a_foreign_nonce_was_a_strangers_and_the_payout_gets_another(rows: PayoutRows) -> None:
    payout, slot = quarantined(rows)
    theirs = {"kind": "OTHER", "origin": "recovered", "recipient": "0x" + "9" * 40, "amount": 1}

    found = rows.attempt(slot, **theirs)
    with rows.login.transaction():
        rows.slot_to(slot, "MINED", found)
        rows.slot_to(slot, "FINAL_NOOP")
        rows.move(payout, "HELD", "review")
    rows.unpause()
    rows.approve(payout)
    rows.move(payout, "RESERVED")
    for step in (rows.allocate, rows.sign, rows.mine, rows.pay):
        step(payout)

    assert rows.state(payout) == "PAID"


def test_a_nonce_that_was_called_foreign_by_mistake_goes_on(rows: PayoutRows) -> None:
    """Else it could never be used, and every later nonce of the treasury would wait for it."""
    payout, slot = quarantined(rows)

    assert rule_of(lambda: rows.slot_to(slot, "ALLOCATED")) == "R1_stored"
    with rows.login.transaction():
        rows.slot_to(slot, "LIVE")
        rows.move(payout, "IN_FLIGHT")
    rows.unpause()
    rows.mine(payout)
    rows.pay(payout)

    assert rows.state(payout) == "PAID"


def test_a_nonce_that_was_called_foreign_before_it_was_signed_goes_on(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    slot = rows.slot(payout)
    rows.slot_to(slot, "FOREIGN")

    rows.slot_to(slot, "ALLOCATED")
    for step in (rows.sign, rows.mine, rows.pay):
        step(payout)

    assert rows.state(payout) == "PAID"


def test_after_a_restore_the_slots_are_rebuilt_from_the_chain(rows: PayoutRows) -> None:
    """The chain has three nonces that the restored database does not know: a payment, a no-op, a stranger's."""
    payout = rows.payout("RESERVED")
    rows.pause()
    signer = rows.signer()
    with rows.login.transaction():
        rows.take_nonce(payout)
        rows.move(payout, "IN_FLIGHT")
        found = rows.attempt((signer, 0), origin="recovered")
        rows.slot_to((signer, 0), "LIVE")
    win(rows, payout, found)
    for nonce, kind in ((1, "NOOP"), (2, "OTHER")):
        slot = (signer, nonce)
        with rows.login.transaction():
            rows.take_nonce(None)
            found = rows.attempt(slot, kind=kind, origin="recovered")
            rows.slot_to(slot, "LIVE")
            rows.slot_to(slot, "MINED", found)
            rows.slot_to(slot, "FINAL_NOOP")
    rows.unpause()
    after = rows.payout("PAID")

    assert rows.state(payout) == "PAID"
    assert rows.slot(after) == (signer, 3)


def new_key(rows: PayoutRows) -> str:
    """The member treasury's next key, in office; the old one drains."""
    address = "0x" + "C" * 40
    with rows.login.transaction():
        rows.run("UPDATE signers SET status = 'draining' WHERE treasury = 'member'")
        rows.run(
            "INSERT INTO signers (address, treasury, kms_version, created_at) VALUES (:address, 'member', '2', :now)",
            address=address,
        )
    return address


def test_an_old_key_finishes_its_payments_and_takes_no_new_ones(rows: PayoutRows) -> None:
    out, waiting = rows.payout("IN_FLIGHT"), rows.payout("RESERVED")
    old, new = rows.signer(), new_key(rows)

    assert rule_of(lambda: rows.take_nonce(waiting, old)) == "I5_nonce"
    for step in (rows.sign, rows.mine, rows.pay):
        step(out)
    assert rule_of(lambda: rows.allocate(waiting)) == "R6_draining"
    rows.login.run("UPDATE signers SET status = 'retired' WHERE address = :old", old=old)
    for step in (rows.allocate, rows.sign, rows.mine, rows.pay):
        step(waiting)

    assert (rows.slot(out), rows.slot(waiting)) == ((old, 0), (new, 0))


def test_an_old_key_is_retired_when_nothing_of_it_is_open(rows: PayoutRows) -> None:
    out = rows.payout("IN_FLIGHT")
    old = rows.signer()
    new_key(rows)
    retire = "UPDATE signers SET status = 'retired' WHERE address = :old"

    assert rule_of(lambda: rows.login.run(retire, old=old)) != ""
    for step in (rows.sign, rows.mine, rows.pay):
        step(out)
    rows.login.run(retire, old=old)
    assert rule_of(lambda: rows.login.run("UPDATE signers SET status = 'draining' WHERE address = :old", old=old)) != ""


def test_an_old_key_sends_the_rest_of_its_usdt_to_the_new_one(rows: PayoutRows) -> None:
    old = rows.signer()
    new = new_key(rows)
    payout = rows.payout("RESERVED", source_kind="rotation", recipient_address=new)

    with rows.login.transaction():
        rows.take_nonce(payout, old)
        rows.move(payout, "IN_FLIGHT")
        rows.attempt((old, 0), recipient=new)
        rows.slot_to((old, 0), "LIVE")
    rows.mine(payout)
    rows.pay(payout)

    assert rows.state(payout) == "PAID"


def test_an_old_key_closes_the_gap_that_a_restore_left(rows: PayoutRows) -> None:
    old = rows.signer()
    new_key(rows)

    with rows.login.transaction():
        rows.take_nonce(None, old)
        rows.attempt((old, 0), kind="NOOP")
        rows.slot_to((old, 0), "LIVE")

    assert rows.login.run("SELECT nonce, state FROM payout_slots") == [[0, "LIVE"]]


def test_a_manual_transfer_waits_for_two_people_and_is_paid(rows: PayoutRows) -> None:
    requester = factories.member(role=Role.TREASURY).id
    payout = rows.payout(source_kind="manual", source_id=new_hash(), requested_by=requester)
    rows.run("UPDATE payouts SET state = 'HELD', hold_reason = 'review', approvals_needed = 2, state_at = :now")
    for _ in range(2):
        rows.sign_off(payout, factories.member(role=Role.TREASURY).id)

    for step in (rows.approve, rows.reserve, rows.allocate, rows.sign, rows.mine, rows.pay):
        step(payout)

    assert rows.state(payout) == "PAID"
