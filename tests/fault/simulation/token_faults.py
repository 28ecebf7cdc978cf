"""Families of what the token does: it refuses, pauses, blocks, or moves nothing and says so."""

import random
from functools import partial

from tests.fault.simulation.family import family, moments, some
from tests.fault.simulation.infrastructure_faults import slowly
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.violated import Violated
from tests.fault.simulation.world import World


@family("F26")
def reverts(chance: random.Random) -> Plan:
    """Transfers revert: recipients blocked before and after the signature, the token paused, or answering false.

    People decide about them; some wait for a long time.
    """
    plan = some(
        chance,
        may_hold=frozenset({"blocked", "reverted", "review"}),
        ends_alone=frozenset({"paused"}),
        resumed=True,
        treasuries=1,
    )
    plan.begin.append(lambda world: slowly(world, chance.choice((0.3, 0.02))))
    for moment in [chance.choice((0.0, 1.0)), *moments(chance, 60.0, 2)]:
        what = chance.choice(("blocked", "paused", "answers_false", "well"))
        plan.events.append((moment, f"the token: {what}", partial(token, what=what)))
    plan.repairs.append(lambda world: token(world, "well"))
    return plan


def token(world: World, what: str) -> None:
    it = world.network.token
    it.paused, it.answers_false, it.reverts_all = what == "paused", what == "answers_false", what == "reverts_all"
    it.blocked = {world.wanted[0].promise.recipient_address.lower()} if what == "blocked" and world.wanted else set()
    if what == "keys_blocked":
        it.blocked = {key.address for key in world.treasury_keys.values()}
    halts = what in ("paused", "keys_blocked")
    world.halted_since = (world.halted_since or world.seconds) if halts else None


@family("F26")
def token_halts(chance: random.Random) -> Plan:
    """The token's issuer pauses it or blocks the treasuries' keys; people resume when it moves again."""
    plan = some(
        chance,
        released=frozenset({"reverted"}),
        ends_alone=frozenset({"paused"}),
        resumed=True,
        asked_within=90.0,
    )
    for moment, well in zip(moments(chance, 60.0, 2), (False, chance.random() < 0.5), strict=True):
        what = "well" if well else chance.choice(("paused", "keys_blocked"))
        plan.events.append((moment, f"the token: {what}", partial(token, what=what)))
    plan.repairs.append(lambda world: token(world, "well"))
    return plan


@family("F26")
def reverts_in_a_row(chance: random.Random) -> Plan:
    """Every transfer reverts for an unknown reason until that ends: the machine stops after a few of them."""
    plan = some(
        chance,
        payouts=chance.randint(10, 14),
        released=frozenset({"reverted"}),
        ends_alone=frozenset({"paused"}),
        resumed=True,
        treasuries=1,
        asked_within=180.0,
        heal_at=300.0,
    )
    plan.begin.append(lambda world: token(world, "reverts_all"))
    plan.repairs.append(stopped_in_time)
    plan.repairs.append(lambda world: token(world, "well"))
    return plan


def stopped_in_time(world: World) -> None:
    """Check that the treasury is paused before all payments have been tried."""
    if not world.database.rows("SELECT FROM treasuries WHERE paused_at IS NOT NULL"):
        raise Violated("F26: payments revert one after the other and the treasury is not paused")
    if len(world.mined) >= len(world.wanted):
        raise Violated("F26: every payment was tried and has reverted")
