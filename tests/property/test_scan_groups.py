"""Any scans, in any order and any grouping: numbers, tiers, awards and refusals are those of an oracle of its own."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.dbapi import Connection

import shared.settings
from functions.scans.receipts import ScanReceipt
from shared.values.problems import Problem
from tests import factories
from tests.fakes.scan_groups import RANKS, Step, member_of_rank, scan_together

MEMBERS = 3
CODES = 24
GUESSES_MAX = 2
ALL_PRIZES = 1_500_000  # every interval divides it

_examples = itertools.count()


@dataclass(frozen=True)
class World:
    """One example: who is a whale by purchase, where the count stands, what is unlocked, how many scans an hour has."""

    counter: int
    tins: int
    permanent: tuple[int, ...]
    per_hour_max: int


tried = st.integers(0, CODES - 1) | st.integers(0, CODES - 1) | st.just(CODES)
cuts = st.sets(st.integers(1, 39), max_size=5)
steps = st.lists(st.builds(Step, st.integers(0, MEMBERS - 1), tried), min_size=1, max_size=40)
worlds = st.builds(
    World,
    st.sampled_from([490, 7_490, 24_990, 124_990, 499_990, 999_985]),
    st.sampled_from([0, 2_500, 10_000, 50_000, 500_000, 1_000_000]),
    st.tuples(*[st.integers(0, 3)] * MEMBERS),
    st.sampled_from([3, 9]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds, steps=steps, cuts=cuts)
def test_the_grouping_never_shows(sql: Connection, world: World, steps: list[Step], cuts: set[int]) -> None:
    sql.execute_simple("UPDATE comps SET status = 'cancelled' WHERE type = 'trip'")  # of the examples before
    for name, value in (("guesses_per_hour_max", GUESSES_MAX), ("scans_per_hour_max", world.per_hour_max)):
        sql.execute_unnamed("UPDATE settings SET value = to_jsonb(CAST($1 AS integer)) WHERE name = $2", (value, name))
    shared.settings.forget()
    members = [member_of_rank(rank) for rank in world.permanent]
    made = factories.manufactured_codes(CODES)
    sql.execute_unnamed("UPDATE sales_volume SET tins_per_month = $1", (world.tins,))
    world = replace(world, counter=world.counter + next(_examples) * ALL_PRIZES)  # a number is taken once
    factories.set_scan_counter(world.counter)
    before = sql.execute_simple("SELECT count(*) FROM scans").rows[0][0]

    answers = [answer for group in grouped(steps, cuts) for answer in scan_together(members, made, group)]

    expected, last = oracle(world, steps)
    assert [told(answer) for answer in answers] == expected
    assert sql.execute_simple("SELECT value FROM scan_counter").rows == [[last]]
    assert sql.execute_simple("SELECT count(*) FROM scans").rows[0][0] - before == last - world.counter


def grouped(steps: Sequence[Step], cuts: set[int]) -> list[Sequence[Step]]:
    """Cut before these positions."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(steps)), len(steps)]
    return [steps[start:end] for start, end in itertools.pairwise(edges)]


def told(answer: ScanReceipt | Problem) -> tuple[Any, ...]:
    """The part of an answer that the oracle knows."""
    if isinstance(answer, Problem):
        return (type(answer).__name__,)
    won = answer.comp_earned.type if answer.comp_earned else None
    tier = answer.tier_progress
    return (answer.scan_number, tier.current_tier.value, tier.current_count, answer.usdt_earned.micro // 10**6, won)


def oracle(world: World, steps: Sequence[Step]) -> tuple[list[tuple[Any, ...]], int]:
    """The answers by the promises of docs/product.md, one scan after another, and the counter's value afterwards."""
    number, trips = world.counter, 0
    owner: dict[int, int] = {}
    scans: defaultdict[int, int] = defaultdict(int)
    wrong: defaultdict[int, int] = defaultdict(int)
    expected: list[tuple[Any, ...]] = []
    for step in steps:
        who = step.member
        if wrong[who] >= GUESSES_MAX:
            expected.append(("TooManyWrongCodes",))
        elif step.code in owner and owner[step.code] == who:
            expected.append(("CodeAlreadyYours",))
        elif step.code in owner or step.code == CODES:
            wrong[who] += 1
            expected.append(("CodeNotValid",))
        elif scans[who] >= world.per_hour_max:
            expected.append(("TooManyScans",))
        else:
            owner[step.code] = who
            scans[who] += 1
            number += 1
            rank = max(sum(scans[who] >= needed for needed in (7, 15, 30)), world.permanent[who])
            usdt, won, trips = prizes(number, rank, world.tins, trips)
            expected.append((number, RANKS[rank], scans[who], usdt, won))
    return expected, number


def prizes(number: int, rank: int, tins: int, trips: int) -> tuple[int, str | None, int]:
    """USDT of all that is won, what the receipt shows first, and trips so far."""
    usdt, shown = 0, None
    if number % 500 == 0 and rank >= 1:
        usdt, shown = 100, "crypto"
    if number % 7_500 == 0 and rank >= 2 and tins >= 2_500:
        usdt = 1_000
    if number % 125_000 == 0 and rank == 3 and tins >= 50_000:
        usdt = 10_000
    if number % 25_000 == 0 and rank == 3 and tins >= 10_000:
        shown = "crypto" if usdt == 10_000 else "casino"  # the prize of the larger interval is shown
        usdt += 1_000
    if number % 500_000 == 0 and rank == 3 and trips < tins // 500_000:
        shown, trips = "trip", trips + 1
    return usdt, shown, trips
