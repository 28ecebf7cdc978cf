"""Families of what people do: comps, approvals, cancellations, suspensions; and deliveries that no job can use."""

import random
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from shared import clock, db
from shared.comps import awards
from shared.comps.awards import Award
from shared.values.money import Usdt
from shared.values.prizes import CompType
from tests.fault.simulation import people
from tests.fault.simulation.family import family, moments, some
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.world import World

LARGE_USDT = (10_001, 14_000)  # above what may leave without people, together below a day's limit


@family("F30")
def poison(chance: random.Random) -> Plan:
    """Deliveries that no job can read or use come between the others, again and again."""
    return some(chance, poison=chance.randint(5, 15), twice=0.3, unacknowledged=0.1)


@family("F32 C14")
def approvals(chance: random.Random) -> Plan:
    """Two people must approve; they click twice, approve their own, approve and cancel at once, and die midway."""
    plan = some(
        chance,
        payouts=1,
        treasuries=1,
        twice=0.5,
        unacknowledged=0.2,
        kill=0.004,
        kill_at={"commit": 0.05, "committed": 0.05},
        commit_unknown=0.03,
        released=frozenset({"review"}),
        may_cancel=True,
    )
    large = chance.randint(1, 3)
    plan.begin.append(partial(ask_for_large_ones, count=large))
    for place in range(1, 1 + large):
        doings = [("approve", it) for it in (*people.APPROVERS, people.REQUESTER)]
        doings += [("cancel", people.REQUESTER)] * chance.choice((0, 0, 1))
        chance.shuffle(doings)
        for moment, (what, who) in zip(moments(chance, 90.0, len(doings)), doings, strict=True):
            plan.events.append((moment, f"somebody wants to {what}", partial(do, place=place, what=what, who=who)))
    return plan


def ask_for_large_ones(world: World, count: int) -> None:
    for _ in range(count):
        usdt = world.chance.randint(*LARGE_USDT)
        world.want("member", usdt * 1_000_000, requested_by=people.REQUESTER)


def do(world: World, place: int, what: str, who: object) -> None:
    world.person(what, world.wanted[place].source, str(who))


@family("F5 C11")
def members_comps(chance: random.Random) -> Plan:
    """Comps wait for a wallet, are paid to it or cancelled, while workers die and tasks come twice."""
    plan = some(
        chance,
        payouts=0,
        treasuries=1,
        twice=0.3,
        kill=0.004,
        kill_at={"commit": 0.03, "committed": 0.03},
        reorganise=0.03,
        may_cancel=True,
    )
    won = chance.randint(2, 4)
    plan.begin.append(partial(award, count=won))
    for moment in moments(chance, 90.0, chance.choice((0, 1, 2))):
        place = chance.randrange(won)
        happen = partial(do, place=place, what="cancel_comp", who="support")
        plan.events.append((moment, "support cancels a comp", happen))
    return plan


def award(world: World, count: int) -> None:
    """Award comps to members without a wallet; linking one requests the payout."""
    names = ",".join(f"('{winner}')" for winner in people.WINNERS)
    world.database.run(
        "UPDATE members SET wallet_address = NULL;"
        f"INSERT INTO member_totals (member_id) VALUES {names};INSERT INTO inboxes (member_id) VALUES {names}"
    )
    for winner in people.WINNERS[:count]:
        amount = Usdt(world.chance.randint(1, 5_000_000) * 7 + 1)
        given = Award(winner, CompType.MANUAL, amount, "manual", f"{world.seed} {winner}", {})
        comp = db.atomically(partial(awards.award, given=given, now=clock.now()))
        world.want("member", amount.micro, kind="comp", source=str(comp), member_id=winner)


@family("F26 C4-C6")
def suspended(chance: random.Random) -> Plan:
    """Recipients are suspended and reactivated at any moment, some of them for good; workers die meanwhile."""
    plan = some(
        chance,
        payouts=chance.randint(0, 1),
        treasuries=1,
        twice=0.2,
        kill=0.003,
        pause=0.2,
        may_hold=frozenset({"suspended"}),
        ends_alone=frozenset({"suspended"}),
    )
    members = people.WINNERS[: chance.randint(2, 4)]
    stays = frozenset(members[: chance.randint(0, len(members))])
    plan.begin.append(partial(promise_each, members=members, stays=stays))
    for moment in moments(chance, 30.0, chance.randint(4, 12)):
        member, acts = chance.choice(members), (World.suspend, World.suspend, World.activate)
        plan.events.append((moment, "people decide about a member", partial(chance.choice(acts), member=member)))
    plan.repairs.append(partial(reactivate_others, members=members, stays=stays))
    return plan


def promise_each(world: World, members: Sequence[UUID], stays: frozenset[UUID]) -> None:
    """Promise one payout to each member; those of members who stay suspended may be held for ever."""
    for member in members:
        wanted = world.want("member", world.chance.randint(1, 5_000_000) * 7 + 1, member_id=member)
        if member in stays:
            world.kept_held.add(wanted.source)


def reactivate_others(world: World, members: Sequence[UUID], stays: frozenset[UUID]) -> None:
    """Reactivate the members who do not stay suspended."""
    for member in members:
        if member in stays:
            world.suspend(member)
        else:
            world.activate(member)
