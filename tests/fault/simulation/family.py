"""The definition of a family of schedules, and the beginning that all of them share."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.fault.simulation.plan import Plan
from tests.fault.simulation.world import TREASURIES, World

Make = Callable[[random.Random], Plan]


@dataclass(frozen=True)
class Family:
    """A family. `faults` are codes of docs/rules.md; the first line of `make`'s docstring describes it."""

    name: str
    faults: str
    make: Make


FAMILIES: dict[str, Family] = {}


def family(faults: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        FAMILIES[make.__name__] = Family(make.__name__, faults, make)
        return make

    return register


def some(chance: random.Random, **settings: object) -> Plan:
    """A plan with one or two treasuries and two to four payouts of odd amounts."""
    plan = Plan(treasuries=chance.choice((1, 1, 2)), payouts=chance.randint(2, 4), workers=chance.choice((1, 2, 3)))
    plan.per_task = chance.choice((1, 1, 4))
    for name, value in settings.items():
        assert hasattr(plan, name), name
        setattr(plan, name, value)
    plan.begin.append(lambda world: ask(world, plan))
    return plan


def ask(world: World, plan: Plan) -> None:
    for number in range(plan.payouts):
        world.want(TREASURIES[number % plan.treasuries], world.chance.randint(1, 5_000_000) * 7 + 1)


def moments(chance: random.Random, last: float, count: int) -> list[float]:
    return sorted(chance.random() * last for _ in range(count))
