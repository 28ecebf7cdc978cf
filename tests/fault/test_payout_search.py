"""On a real node: who used a nonce is found by searching blocks, and what left a key by searching logs."""

import json

from emulators.chain.node import _call_data, _word
from shared.ports import chain
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


def test_a_foreign_transaction_is_found_among_all_blocks(world: World) -> None:
    world.chain.mine(40)
    stolen = steal(world, 7)
    world.chain.mine(40)

    found = chain.connect().find(world.signer, 0)

    assert found
    assert (found.hash, found.nonce, found.to) == (stolen, 0, world.chain.usdt.lower())
    assert [(it.recipient, it.amount_micro) for it in found.receipt.moved] == [(THIEF, 7)]
    last = world.chain.head("finalized")
    logged = chain.connect().logged(world.chain.usdt, world.signer, 0, last)
    assert [(it.transaction_hash, it.moved.amount_micro) for it in logged] == [(stolen, 7)]
    assert chain.connect().final_nonces(world.signer) == 1


def test_a_key_that_is_used_outside_stops_its_treasury_with_the_proof(world: World) -> None:
    payout = world.win()
    world.courier.carry()
    ((raw,),) = world.rows("SELECT hash FROM payout_attempts")
    world.chain.drop_transaction(raw)
    stolen = steal(world, PRIZE.micro)
    world.chain.mine(DEEP)
    world.courier.carry()

    assert world.state(payout) == "QUARANTINED"
    assert world.rows("SELECT count(*) FROM treasuries WHERE paused_at IS NOT NULL") == [[1]]
    ((proof,),) = world.rows("SELECT detail FROM payout_events WHERE kind = 'foreign'")
    assert (proof["hash"], proof["moved"][0]["recipient"]) == (stolen, THIEF), json.dumps(proof)
