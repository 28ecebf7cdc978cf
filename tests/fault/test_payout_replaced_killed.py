"""Killed while a stuck payment is replaced or a nonce is given up, on the real node: paid once, the winner known."""

from itertools import pairwise
from uuid import UUID

import pytest

from shared.values.money import Usdt
from tests.fault.conftest import PRIZE, TREASURY, ForkedWorkers, World
from tests.fault.payments import assert_paid_once, kill_while_sending

STUCK_SECONDS = 90
SIGNING = (
    "C5 signed, before it is stored",
    "C5 stored, before the commit",
    "C6 stored, before it is sent",
    "C7 sent, before its event",
)


def send_and_leave_it(world: World) -> UUID:
    """In the pool, not mined, for longer than a payment may take."""
    payout = world.win()
    world.outbox.deliver_all()
    world.outbox.pass_time(STUCK_SECONDS)
    return payout


@pytest.mark.parametrize("point", SIGNING)
def test_killed_while_it_is_replaced_it_is_paid_once(world: World, forked_workers: ForkedWorkers, point: str) -> None:
    payout = send_and_leave_it(world)
    kill_while_sending(forked_workers, point, payout)
    world.outbox.pass_time()

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)


def test_killed_at_each_replacement_in_turn_it_is_paid_once_and_each_offers_an_eighth_more(
    world: World, forked_workers: ForkedWorkers
) -> None:
    payout = send_and_leave_it(world)
    for point in SIGNING:
        kill_while_sending(forked_workers, point, payout)
        world.outbox.pass_time(STUCK_SECONDS)

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)
    fees = [
        int(fee) for (fee,) in world.rows("SELECT fee_per_gas_wei_max FROM payout_attempts ORDER BY nonce, position")
    ]
    assert len(fees) > 1
    assert all(later * 8 >= earlier * 9 for earlier, later in pairwise(fees))


@pytest.mark.parametrize("point", SIGNING)
def test_killed_while_a_nonce_is_given_up_it_pays_nobody_and_later_once(
    world: World, forked_workers: ForkedWorkers, point: str
) -> None:
    payout = world.win()
    kill_while_sending(forked_workers, "C4 nonce taken, before it is signed", payout)
    ((recipient,),) = world.rows("SELECT recipient_address FROM payouts")
    world.chain.block(recipient)
    world.outbox.pass_time()
    kill_while_sending(forked_workers, point, payout)
    world.outbox.pass_time()
    world.outbox.deliver_until(lambda: world.rows("SELECT state, hold_reason FROM payouts") == [["HELD", "blocked"]])
    assert world.transfers() == []
    world.chain.unblock(recipient)

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)
    assert world.rows("SELECT nonce, state FROM payout_slots ORDER BY nonce") == [[0, "FINAL_NOOP"], [1, "FINAL_PAY"]]


def test_what_is_reserved_is_what_the_chain_still_has(world: World) -> None:
    """One of two payments that together exceed the treasury's balance waits for a top-up."""
    world.win(TREASURY - PRIZE)
    second = world.win(PRIZE + PRIZE)
    world.outbox.deliver_until(lambda: world.state(second) == "HELD")
    world.chain.mint(world.signer, Usdt.of(1_000).micro)

    world.outbox.deliver_until(world.all_paid)

    assert sorted(moved.amount_micro for moved in world.transfers()) == [
        (PRIZE + PRIZE).micro,
        (TREASURY - PRIZE).micro,
    ]
