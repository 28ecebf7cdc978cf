"""Families of what nodes no longer have: accounts of blocks that are minutes old, hashes, wide ranges of logs."""

import random

from tests.fault.simulation import events
from tests.fault.simulation.family import family, moments, some
from tests.fault.simulation.infrastructure_faults import finality, slowly
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.world import World


@family("F39")
def pruned(chance: random.Random) -> Plan:
    """A search goes back before the accounts that nodes keep, and nodes answer for few blocks at once."""
    plan = limited(chance, some(chance, treasuries=1, asked_within=100.0, heal_at=1_100.0, resumed=True, twice=0.2))
    plan.released = frozenset({"review", "paused"})
    plan.begin.append(lambda world: slowly(world, chance.choice((0.1, 0.9))))
    taken, restored = chance.uniform(0.0, 60.0), chance.uniform(500.0, 800.0)
    plan.events = [
        (taken, "a backup is taken", events.back_up),
        *(
            (moment, "the key is used", use_key_elsewhere)
            for moment in moments(chance, 300.0, chance.choice((0, 1, 2)))
        ),
        (restored, "it is restored", events.restore),
    ]
    return plan


@family("F40")
def stalled(chance: random.Random) -> Plan:
    """Finality stalls until nodes lack the accounts of the finalized block; payouts are requested meanwhile."""
    plan = limited(
        chance, some(chance, asked_within=500.0, heal_at=900.0, evict=0.01, kill=chance.choice((0.0, 0.003)))
    )
    plan.events = [
        (chance.uniform(0.0, 60.0), "finality stalls", lambda world: finality(world, works=False)),
        (chance.uniform(60.0, 600.0), "a node starts again", lambda world: unknown(world, chance.randrange(2))),
        (chance.uniform(600.0, 850.0), "finality works", lambda world: finality(world, works=True)),
    ]
    return plan


def limited(chance: random.Random, plan: Plan) -> Plan:
    """Limit nodes as gateways are: they refuse single calls, and what is large or old."""
    plan.log_blocks_max = chance.choice((7, 100, 10_000))
    plan.whole_blocks_max = chance.choice((3, 100))
    plan.indexed_blocks = chance.choice((40, 2_350_000))
    plan.fee_logs = chance.random() < 0.5
    plan.rpc_limited = chance.choice((0.0, 0.01))
    return plan


def use_key_elsewhere(world: World) -> None:
    """Half of the time, use the key's nonce for nothing, which the token does not log."""
    if world.chance.random() < 0.5:
        events.use_key_for_nothing(world, "member")
    else:
        events.use_key(world, "member", "0x5e" + world.chance.randbytes(19).hex(), world.chance.randint(1, 10_000_000))


def unknown(world: World, node: int) -> None:
    world.nodes[node].view.final_unknown = True
