"""The real node reorganises, forgets, stops and becomes dear: the payment that it keeps is the only one."""

from uuid import UUID

import pytest

from tests.fault.conftest import PRIZE, World
from tests.fault.payments import assert_paid_once

GWEI = 10**9
DEPTHS = (1, 3, 9)


def sent(world: World) -> UUID:
    payout = world.win()
    world.outbox.deliver_all()
    return payout


def pending(world: World) -> str:
    ((raw_hash,),) = world.rows("SELECT hash FROM payout_attempts ORDER BY position DESC LIMIT 1")
    return str(raw_hash)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_block_that_is_reorganised_away_takes_the_payment_back_and_it_is_made_once(world: World, depth: int) -> None:
    payout = sent(world)
    world.chain.mine(depth)
    world.outbox.deliver_all()
    assert world.rows("SELECT state FROM payout_slots") == [["MINED"]]
    world.chain.reorg(depth)
    assert world.transfers() == []
    world.outbox.pass_time()
    world.outbox.deliver_all()
    assert world.rows("SELECT state FROM payout_slots") == [["LIVE"]]

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)


def test_a_payment_that_comes_back_in_another_block_is_followed_there(world: World) -> None:
    payout = sent(world)
    world.chain.mine(3)
    world.outbox.deliver_all()
    before = world.rows("SELECT block_hash FROM payout_slots")
    ((raw,),) = world.rows("SELECT '0x' || encode(raw, 'hex') FROM payout_attempts")
    world.chain.reorg(3, [(raw, 1)])
    world.outbox.pass_time()

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)
    assert world.rows("SELECT block_hash FROM payout_slots") != before


def test_a_payment_that_the_pool_forgets_is_sent_again(world: World) -> None:
    payout = sent(world)
    world.chain.drop_transaction(pending(world))
    world.chain.mine()
    assert world.transfers() == []
    world.outbox.pass_time()

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)


def test_while_no_block_is_mined_nothing_is_called_paid_and_only_one_nonce_is_used(world: World) -> None:
    payout = sent(world)
    for _ in range(5):
        world.outbox.pass_time(90)
        world.outbox.deliver_all()
        world.invoker.schedule("payout_confirm", "sweep")
    assert world.state(payout) == "IN_FLIGHT"
    assert world.rows("SELECT nonce, state FROM payout_slots") == [[0, "LIVE"]]
    assert world.rows("SELECT count(*) > 1 FROM payout_attempts") == [[True]]

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)


def test_when_the_base_fee_rises_above_the_offer_a_replacement_pays_it(world: World) -> None:
    payout = sent(world)
    ((fee,),) = world.rows("SELECT fee_per_gas_wei_max::bigint FROM payout_attempts")
    world.chain.set_next_base_fee(fee + 20 * GWEI)
    world.chain.mine()
    assert world.transfers() == []
    world.chain.set_next_base_fee(fee + 20 * GWEI)
    world.outbox.pass_time(90)

    world.outbox.deliver_until(world.all_paid)

    assert_paid_once(world, payout)
    assert world.rows(f"SELECT amount = {PRIZE.micro} FROM payouts") == [[True]]
