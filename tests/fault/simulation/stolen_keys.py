"""Families of keys that somebody else uses, and of people who misjudge what was done with them."""

import random
from functools import partial

from tests.fault.simulation import events, people
from tests.fault.simulation.family import family, moments, some
from tests.fault.simulation.infrastructure_faults import slowly
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.world import World


@family("F12 F28")
def foreign(chance: random.Random) -> Plan:
    """The treasury's key is used elsewhere; people check what it did and continue."""
    plan = some(chance, released=frozenset({"review", "paused"}), resumed=True, twice=0.2, treasuries=1)
    plan.begin.append(lambda world: slowly(world, chance.choice((0.1, 0.9))))
    for moment in moments(chance, 50.0, chance.choice((1, 1, 2))):
        plan.events.append((moment, "the key is used", use_key_elsewhere))
    return plan


def use_key_elsewhere(world: World) -> None:
    recipient = "0x5e" + world.chance.randbytes(19).hex()
    events.use_key(world, "member", recipient, world.chance.randint(1, 10_000_000))


@family("F28 R8")
def poisoned(chance: random.Random) -> Plan:
    """Another treasury's key pays what a payout of this one promises, while its nonce is taken, signed, or neither."""
    plan = some(chance, released=frozenset({"review", "paused"}), resumed=True, treasuries=1, twice=0.2)
    plan.kill_at = {"kms.sign": chance.choice((0.0, 0.3)), "committed": 0.02}
    plan.begin.append(lambda world: slowly(world, chance.choice((0.02, 0.1, 0.9))))
    for moment in moments(chance, 40.0, chance.choice((1, 1, 2))):
        plan.events.append((moment, "another key pays the same", same_terms))
    return plan


def same_terms(world: World) -> None:
    """Pay a promise from another treasury's key: this pays no payout, because it is not the member treasury's money."""
    promise = world.chance.choice(world.wanted).promise
    paid = events.use_key(world, "affiliate", promise.recipient_address.lower(), promise.amount.micro)
    world.stolen.add(paid.hash)


@family("F28 F32 R8")
def misled(chance: random.Random) -> Plan:
    """Keys are used elsewhere, and people approve, explain and resume what they should not."""
    plan = some(chance, released=frozenset({"review", "paused"}), resumed=True, treasuries=1, twice=0.2)
    plan.asked_within = 150.0  # some are requested when they may be paid already
    plan.begin.append(lambda world: slowly(world, chance.choice((0.1, 0.9))))
    plan.events = [(moment, "another key pays the same", same_terms) for moment in moments(chance, 40.0, 1)]
    plan.events += [
        (moment, "the key is used", use_key_elsewhere) for moment in moments(chance, 50.0, chance.choice((0, 1)))
    ]
    for moment in moments(chance, 230.0, chance.randint(3, 8)):
        what = chance.choice(people.MISTAKES)
        plan.events.append((moment, f"a mistake: {what}", partial(people.mistake, what=what)))
    return plan
