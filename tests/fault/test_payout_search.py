"""On a real node that has forgotten old accounts: who used a nonce is found by its logs, and else in its blocks."""

import json

import pytest

from emulators.chain.node import STATES_KEPT, _call_data, _word
from shared.payouts import search
from shared.ports.polygon import chain
from shared.ports.polygon.chain import Found
from shared.ports.polygon.failures import StateGone
from tests.fault.conftest import PRIZE, World

DEEP = 12
THIEF = "0x00000000000000000000000000000000000000ee"


def steal(world: World, amount_micro: int) -> str:
    """A transfer with the treasury's own key, made elsewhere; its hash."""
    world.chain.rpc("anvil_impersonateAccount", [world.signer])
    call = {"from": world.signer, "to": world.chain.usdt}
    call["data"] = _call_data("transfer(address,uint256)", _word(THIEF), _word(amount_micro))
    sent: str = world.chain.rpc("eth_sendTransaction", [call])
    world.chain.rpc("anvil_stopImpersonatingAccount", [world.signer])
    return sent


def idle(world: World) -> str:
    """A transaction of the treasury's key that moves nothing, made elsewhere; its hash."""
    world.chain.rpc("anvil_impersonateAccount", [world.signer])
    sent: str = world.chain.rpc("eth_sendTransaction", [{"from": world.signer, "to": world.signer}])
    world.chain.rpc("anvil_stopImpersonatingAccount", [world.signer])
    return sent


def find(world: World, nonce: int) -> Found:
    for _ in range(20):
        if found := search.find(world.signer, world.chain.usdt, nonce, chain.connect()):
            return found
    raise AssertionError(f"nonce {nonce} is not found")


def test_foreign_transactions_are_found_after_the_node_has_forgotten_the_accounts_of_their_blocks(
    world: World,
) -> None:
    world.chain.mine(40)
    stolen = steal(world, 7)
    world.chain.mine(40)
    moved_nothing = idle(world)
    world.chain.mine(STATES_KEPT + 40)

    with pytest.raises(StateGone):
        chain.connect().used_nonces_at(world.signer, 1)
    second, first = find(world, 1), find(world, 0)

    assert (first.hash, first.nonce, first.to) == (stolen, 0, world.chain.usdt.lower())
    assert [(it.recipient, it.amount_micro) for it in first.receipt.moved] == [(THIEF, 7)]
    assert (second.hash, second.nonce, second.to) == (moved_nothing, 1, world.signer.lower())
    assert (second.receipt.succeeded, second.receipt.moved) == (True, ())
    assert chain.connect().final_nonces(world.signer) == 2
    assert world.rows("SELECT count(*) FROM nonce_searches") == [[0]]


def test_a_key_that_is_used_outside_stops_its_treasury_with_the_proof(world: World) -> None:
    payout = world.win()
    world.outbox.deliver_all()
    ((raw,),) = world.rows("SELECT hash FROM payout_attempts")
    world.chain.drop_transaction(raw)
    stolen = steal(world, PRIZE.micro)
    world.chain.mine(DEEP)
    world.outbox.deliver_all()

    assert world.state(payout) == "QUARANTINED"
    assert world.rows("SELECT count(*) FROM treasuries WHERE paused_at IS NOT NULL") == [[1]]
    ((proof,),) = world.rows("SELECT detail FROM payout_events WHERE kind = 'foreign'")
    assert (proof["hash"], proof["moved"][0]["recipient"]) == (stolen, THIEF), json.dumps(proof)
