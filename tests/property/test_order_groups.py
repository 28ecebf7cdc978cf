"""Any orders, in any order and any grouping: who gets one and who is told what is as an oracle of its own has it."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.dbapi import Connection

import shared.settings
from functions.orders.birth_records import Born
from shared.values.problems import Problem
from shared.web.signatures import NotPrepared
from tests.client import Client
from tests.fakes import order_rows
from tests.fakes.order_client import OrderClient, order_client
from tests.fakes.order_groups import Wish, order_together
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.order_plugin"]

BUYERS = 4
DOORS = 2
DOOR_MAX = 8
SKUS = (MINT, COFFEE)

_examples = itertools.count()


@dataclass(frozen=True)
class World:
    """One example: what each buyer has in the cart of each product, where each lives, and how much there is."""

    carts: tuple[tuple[int, int], ...]
    doors: tuple[int, ...]
    stock: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """A buyer orders; the total is the right one or not."""

    buyer: int
    is_right: bool


worlds = st.builds(
    World,
    st.tuples(*[st.tuples(st.integers(1, 4), st.integers(0, 3))] * BUYERS),
    st.tuples(*[st.integers(0, DOORS - 1)] * BUYERS),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
steps = st.lists(
    st.builds(Step, st.integers(0, BUYERS - 1), st.sampled_from([True, True, False])), min_size=1, max_size=9
)
cuts = st.sets(st.integers(1, 8), max_size=3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds, steps=steps, cuts=cuts)
def test_the_grouping_never_shows(
    client: Client, buyer: OrderClient, sql: Connection, world: World, steps: list[Step], cuts: set[int]
) -> None:
    assert buyer
    sql.execute_unnamed(
        "UPDATE settings SET value = jsonb_set(value, '{tins_in_30_days}', to_jsonb(CAST($1 AS integer))) "
        "WHERE name = 'shop_limits'",
        (DOOR_MAX,),
    )
    shared.settings.forget()
    for sku, left in zip(SKUS, world.stock, strict=True):
        ((promised,),) = sql.execute_unnamed("SELECT promised FROM stock WHERE sku = $1", (sku,)).rows
        order_rows.counted(promised + left, sku)
    wishes = buyers_of(client, world)
    before = tins(sql)

    answers = [answer for group in grouped(steps, cuts) for answer in order_together([wishes[step] for step in group])]

    expected, sold = oracle(world, steps)
    assert [told(answer) for answer in answers] == expected
    assert {sku: count - before[sku] for sku, count in tins(sql).items()} == sold


def buyers_of(client: Client, world: World) -> dict[Step, Wish]:
    """The requests of buyers whose carts are filled and quoted; doors are of this example only."""
    example, wishes = next(_examples), {}
    for number, (cart, door) in enumerate(zip(world.carts, world.doors, strict=True)):
        who = order_client(client)
        for sku, quantity in zip(SKUS, cart, strict=True):
            if quantity:
                who.add(sku, quantity)
        address = {"line1": f"{example} {'North' if door else 'South'} Street"}
        total = who.total(**address)
        for is_right in (True, False):
            wishes[Step(number, is_right)] = Wish(who.who, total if is_right else total + 1, address=address)
    return wishes


def tins(sql: Connection) -> dict[str, int]:
    """The tins that are promised of each product."""
    return dict(sql.execute_unnamed("SELECT sku, promised FROM stock WHERE sku = ANY($1)", (list(SKUS),)).rows)


def grouped(steps: Sequence[Step], cuts: set[int]) -> list[Sequence[Step]]:
    """Cut before these positions."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(steps)), len(steps)]
    return [steps[start:end] for start, end in itertools.pairwise(edges)]


def told(answer: Born | Problem | NotPrepared) -> tuple[Any, ...]:
    """The part of an answer that the oracle knows."""
    if isinstance(answer, Born):
        return ("Ordered",)
    assert isinstance(answer, Problem)
    items: Any = answer.members.get("items", [])
    return (type(answer).__name__, *sorted((item["sku"], item["wanted"], item["left"]) for item in items))


def oracle(world: World, steps: Sequence[Step]) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    """The answers by the promises of docs/shop.md, one order after another, and what is sold of each product."""
    ordered: set[int] = set()
    of_door: Counter[int] = Counter()
    sold = dict.fromkeys(SKUS, 0)
    expected: list[tuple[Any, ...]] = []
    for step in steps:
        cart = dict(zip(SKUS, world.carts[step.buyer], strict=True))
        door = world.doors[step.buyer]
        left = {sku: stock - sold[sku] for sku, stock in zip(SKUS, world.stock, strict=True)}
        short = sorted((sku, wanted, left[sku]) for sku, wanted in cart.items() if wanted > left[sku])
        if step.buyer in ordered:
            expected.append(("CartAlreadyOrdered",))
        elif of_door[door] + sum(cart.values()) > DOOR_MAX:
            expected.append(("LimitReached",))
        elif not step.is_right:
            expected.append(("TotalChanged",))
        elif short:
            expected.append(("StockShort", *short))
        else:
            expected.append(("Ordered",))
            ordered.add(step.buyer)
            of_door[door] += sum(cart.values())
            for sku, wanted in cart.items():
                sold[sku] += wanted
    return expected, sold
