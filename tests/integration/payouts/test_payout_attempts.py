"""A nonce is signed for the payout's own terms only, by the worker in office, for more gas than before."""

from functools import partial

from tests.fakes.payout_rows import AMOUNT, FEE, RECIPIENT, TIP, Login, PayoutRows, new_hash, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]


def test_a_payment_has_the_payouts_recipient_and_amount(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))
    others: tuple[dict[str, object], ...] = (
        {"amount": AMOUNT + 1},
        {"amount": 0},
        {"recipient": "0x" + "1" * 40},
        {"recipient": slot[0]},
    )

    for other in others:
        for origin in ("signed", "recovered"):
            assert rule_of(partial(rows.attempt, slot, origin=origin, **other)) == "I8_terms", other


def test_giving_up_pays_nothing_to_the_signer_itself(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))

    assert rule_of(lambda: rows.attempt(slot, kind="NOOP", amount=1)) == "I8_terms"
    assert rule_of(lambda: rows.attempt(slot, kind="NOOP", recipient=RECIPIENT)) == "I8_terms"
    rows.attempt(slot, kind="NOOP")


def test_a_nonce_without_a_payout_pays_nobody(rows: PayoutRows) -> None:
    rows.take_nonce(None)

    assert rule_of(lambda: rows.attempt((rows.signer(), 0))) == "I8_terms"
    rows.attempt((rows.signer(), 0), kind="NOOP")


def test_what_we_sign_is_never_of_an_unknown_kind(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))

    assert rule_of(lambda: rows.attempt(slot, kind="OTHER")) != ""
    assert rule_of(lambda: rows.attempt(slot, kind="PAYMENT")) != ""


def test_both_fees_rise_by_an_eighth_or_the_replacement_is_refused(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))
    rows.attempt(slot)
    enough_fee, enough_tip = FEE * 9 // 8, TIP * 9 // 8
    too_little = (
        (FEE, TIP),
        (FEE * 1124 // 1000, TIP * 1124 // 1000),  # 12.4 %: the mempool's 10 % would take it, the rule does not
        (enough_fee - 1, enough_tip),
        (enough_fee, enough_tip - 1),
        (enough_fee * 2, TIP),
        (FEE, enough_tip * 2),
    )

    for fee, tip in too_little:
        for kind in ("PAY", "NOOP"):
            assert rule_of(partial(rows.attempt, slot, kind=kind, fee=fee, tip=tip)) == "I9_fees", (kind, fee, tip)
    rows.attempt(slot, fee=enough_fee, tip=enough_tip)
    assert rule_of(lambda: rows.attempt(slot, fee=enough_fee, tip=enough_tip)) == "I9_fees"


def test_no_fee_is_nothing(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))

    for wrong in ({"fee": 0}, {"tip": 0}, {"fee": -1}, {"tip": -1}):
        assert rule_of(partial(rows.attempt, slot, **wrong)) != "", wrong


def test_attempts_are_numbered_without_a_gap(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))

    for position in (0, 2, 3):
        assert rule_of(partial(rows.attempt, slot, position=position)) != "", position
    rows.attempt(slot, position=1)
    more = {"fee": FEE * 2, "tip": TIP * 2}
    assert rule_of(lambda: rows.attempt(slot, position=1, **more)) != ""
    assert rule_of(lambda: rows.attempt(slot, position=3, **more)) == "I9_position"
    rows.attempt(slot, position=2, **more)


def test_what_was_given_up_is_never_paid_under_the_same_nonce(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))
    rows.attempt(slot)
    rows.attempt(slot, kind="NOOP", fee=FEE * 2, tip=TIP * 2)

    assert rule_of(lambda: rows.attempt(slot, fee=FEE * 4, tip=TIP * 4)) == "R3_noop"
    rows.pause()
    rows.attempt(slot, origin="recovered", fee=FEE * 4, tip=TIP * 4)
    rows.unpause()
    assert rule_of(lambda: rows.attempt(slot, fee=FEE * 8, tip=TIP * 8)) == "R3_noop"


def test_a_worker_that_was_overtaken_stores_nothing(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))
    rows.login.run("UPDATE signers SET epoch = 7 WHERE address = :signer", signer=slot[0])

    for epoch in (0, 6, 8):
        for kind in ("PAY", "NOOP"):
            assert rule_of(partial(rows.attempt, slot, kind=kind, epoch=epoch)) == "R6_epoch", (kind, epoch)
    rows.attempt(slot, epoch=7)


def test_the_epoch_cannot_be_raised_while_a_signature_is_being_stored(rows: PayoutRows, owner: Login) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))
    owner.run("SET lock_timeout = '200ms'")
    rows.login.run("BEGIN")
    rows.attempt(slot)

    assert rule_of(lambda: owner.run("UPDATE signers SET epoch = epoch + 1")) == "55P03"
    rows.login.run("COMMIT")
    owner.run("UPDATE signers SET epoch = epoch + 1")


def test_a_paused_treasury_stores_no_payment(rows: PayoutRows) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))
    rows.pause()

    assert rule_of(lambda: rows.attempt(slot)) == "R7_paused"
    rows.login.run("UPDATE treasuries SET finish_live = true")
    assert rule_of(lambda: rows.attempt(slot)) == "R7_paused"  # this one is not out yet
    rows.attempt(slot, kind="NOOP")


def test_a_pause_cannot_slip_in_while_a_payment_is_being_stored(rows: PayoutRows, owner: Login) -> None:
    slot = rows.slot(rows.payout("IN_FLIGHT"))
    owner.run("SET lock_timeout = '200ms'")
    rows.login.run("BEGIN")
    rows.attempt(slot)

    assert rule_of(PayoutRows(owner).pause) == "55P03"


def test_what_is_out_is_finished_under_a_pause_only_when_that_is_wanted(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    rows.pause()

    assert rule_of(lambda: rows.attempt(rows.slot(payout), fee=FEE * 2, tip=TIP * 2)) == "R7_paused"
    rows.login.run("UPDATE treasuries SET finish_live = true")
    rows.attempt(rows.slot(payout), fee=FEE * 2, tip=TIP * 2)


def test_nothing_is_signed_for_a_nonce_that_is_settled_or_in_doubt(rows: PayoutRows) -> None:
    mined, foreign = rows.payout("IN_FLIGHT"), rows.payout("IN_FLIGHT")
    rows.sign(mined)
    rows.mine(mined)
    rows.slot_to(rows.slot(foreign), "FOREIGN")
    paid = rows.payout("PAID")

    for payout in (mined, foreign, paid):
        for kind in ("PAY", "NOOP"):
            more = {"kind": kind, "fee": FEE * 2, "tip": TIP * 2}
            assert rule_of(partial(rows.attempt, rows.slot(payout), **more)) == "R2_slot", (payout, kind)


def test_nothing_is_signed_for_a_payout_that_is_not_in_flight(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    with rows.login.transaction():
        rows.pause()
        rows.move(payout, "QUARANTINED")
    rows.unpause()

    assert rule_of(lambda: rows.attempt(rows.slot(payout), fee=FEE * 2, tip=TIP * 2)) == "R2_in_flight"
    rows.attempt(rows.slot(payout), kind="NOOP", fee=FEE * 2, tip=TIP * 2)


def test_what_the_chain_tells_of_a_nonce_is_recorded_only_while_the_treasury_is_paused(rows: PayoutRows) -> None:
    """Else `recovered` would be the way around the epoch, the pause and the fees."""
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)

    assert rule_of(lambda: rows.attempt(rows.slot(payout), origin="recovered")) == "R8_paused"
    rows.pause()
    rows.attempt(rows.slot(payout), origin="recovered")


def test_an_attempt_is_never_changed_or_removed(rows: PayoutRows, owner: Login) -> None:
    rows.sign(rows.payout("IN_FLIGHT"))

    for change in ("UPDATE payout_attempts SET raw = ''", "DELETE FROM payout_attempts", "TRUNCATE payout_attempts"):
        assert rule_of(partial(owner.run, change)) == "append_only", change
        assert rule_of(partial(rows.login.run, change)) == "42501", change


def test_an_attempt_belongs_to_a_slot(rows: PayoutRows) -> None:
    assert rule_of(lambda: rows.attempt((rows.signer(), 5), kind="NOOP")) == "payout_attempts_signer_nonce_fkey"


def test_one_hash_is_one_attempt(rows: PayoutRows) -> None:
    first, second = rows.slot(rows.payout("IN_FLIGHT")), rows.slot(rows.payout("IN_FLIGHT"))
    same = new_hash()
    rows.attempt(first, hash=same)

    assert rule_of(lambda: rows.attempt(second, hash=same)) == "payout_attempts_pkey"
