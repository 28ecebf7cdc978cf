"""Events beyond single faults: money runs out, keys are used elsewhere, nodes part, people pause."""

import rlp
from eth_utils.crypto import keccak

from tests.fault.simulation.chain import CHAIN_ID, GWEI, Block, Included
from tests.fault.simulation.node import Node
from tests.fault.simulation.transactions import TRANSFER_SELECTOR, TYPE_2, WORD, Signed, read
from tests.fault.simulation.world import TREASURIES, World

FORK_BLOCKS_AFTER = 16
FOREIGN_FEE_WEI = 900 * GWEI


def use_key(world: World, treasury: str, recipient: str, amount: int) -> Signed:
    """Another party signs with the treasury's key: its next nonce on the chain pays somebody unknown."""
    key = world.treasury_keys[treasury]
    nonce = world.network.head.state.nonces.get(key.address, 0)
    data = TRANSFER_SELECTOR + bytes.fromhex(recipient[2:]).rjust(WORD, b"\0") + amount.to_bytes(WORD, "big")
    to = bytes.fromhex(world.network.token.address[2:])
    fields = [CHAIN_ID, nonce, 50 * GWEI, FOREIGN_FEE_WEI, 120_000, to, 0, data, []]
    r, s, parity = world.keys.sign(key, keccak(TYPE_2 + rlp.encode(fields)))
    tx = read(TYPE_2 + rlp.encode([*fields, parity, r, s]))
    world.stolen_to.add(recipient)
    world.note("thief", f"pays {amount} from {key.address[:8]} with nonce {nonce}")
    world.network.force(tx)
    return tx


def use_key_for_nothing(world: World, treasury: str) -> Signed:
    """Another party uses the key's next nonce for an empty transaction to itself, which the token does not log."""
    key = world.treasury_keys[treasury]
    nonce = world.network.head.state.nonces.get(key.address, 0)
    fields = [CHAIN_ID, nonce, 50 * GWEI, FOREIGN_FEE_WEI, 21_000, bytes.fromhex(key.address[2:]), 0, b"", []]
    r, s, parity = world.keys.sign(key, keccak(TYPE_2 + rlp.encode(fields)))
    tx = read(TYPE_2 + rlp.encode([*fields, parity, r, s]))
    world.note("thief", f"sends nothing from {key.address[:8]} with nonce {nonce}")
    world.network.force(tx)
    return tx


def fork(world: World, node: Node, depth: int) -> None:
    """The node leaves the chain some blocks ago, mines what it knows alone, and calls all of it final."""
    network = world.network
    base = max(network.finalized, network.head.number - depth)
    state = network.blocks[base].state
    included: list[Included] = []
    pool = {tx.key: tx for block in network.blocks[base + 1 :] for tx in (it.tx for it in block.included)}
    for key in sorted(pool | network.pools[node.name]):
        tx = network.pools[node.name].get(key) or pool[key]
        if tx.nonce == state.nonces.get(tx.sender, 0):
            state = state.copy()
            included.append(network._run(tx, state))
    node.view.fork = {}
    for number in range(base + 1, network.head.number + FORK_BLOCKS_AFTER):
        first = number == base + 1
        hash_ = "0x" + keccak(f"{node.name} {world.seconds} {number}".encode()).hex()
        block = Block(number, hash_, network.head.time, network.base_fee, state, included if first else [])
        node.view.fork[number] = block


def join(world: World, node: Node) -> None:
    node.view.fork = {}
    world.note(node.name, "is back on the chain")


def leave_usdt(world: World, micro: int) -> None:
    """Leave each treasury with only so much money."""
    for key in world.treasury_keys.values():
        world.network.fund(key.address, usdt=micro - world.network.head.state.usdt[key.address])
    settle(world)


def leave_wei(world: World, wei: int) -> None:
    for key in world.treasury_keys.values():
        world.network.fund(key.address, wei=wei - world.network.head.state.wei[key.address])
    settle(world)


def settle(world: World) -> None:
    """Make the present balances final."""
    world.network.finalized = max(world.network.finalized, world.network.head.number)


def pause_all(world: World) -> None:
    for treasury in TREASURIES:
        if treasury not in world.frozen:
            world.pause(treasury)


def resume_all(world: World) -> None:
    for treasury in list(world.frozen):
        world.resume(treasury)


def back_up(world: World) -> None:
    world.backups.append(world.database.backup())


def restore(world: World) -> None:
    """Restore the last backup: all workers lose the connection and die, and the lineage shows another server."""
    for worker in world.scheduler.resting:
        worker.dead = True
    world.database.restore(world.backups[-1])
    world.database.run("UPDATE signers SET lineage = 'another'")
    world.restored = True
    world.frozen.clear()
    world.ask_again()
