"""1,500 scans by 32 clients: consecutive numbers, and tiers and awards as an oracle of its own has them."""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody

Client = Callable[..., FunctionClient]
SCANS = 1_500
CLIENTS = 32
START = 6_300  # the scans cross 6,500, 7,000, 7,500 (where $1,000 waits), and their last ones 7,800
TINS_PER_MONTH = 3_000  # unlocks $1,000, not $10,000
RANKS = ("standard", "vip", "high_roller", "whale")


def test_numbers_tiers_and_awards_are_those_of_the_oracle(client: Client, sql: Connection) -> None:
    members = [factories.member() for _ in range(CLIENTS)]
    codes = factories.manufactured_codes(SCANS)
    factories.set_scan_counter(START)
    sql.execute_unnamed("UPDATE sales_volume SET tins_per_month = $1", (TINS_PER_MONTH,))

    receipts = scan_all(client, members, codes)

    assert sorted(receipt["scan_number"] for receipt in receipts) == list(range(START + 1, START + SCANS + 1))
    expected = oracle(sql)
    for receipt in receipts:
        tier, usdt = expected[receipt["scan_number"]]
        assert (receipt["tier_progress"]["current_tier"], receipt["usdt_earned"]) == (tier, usdt), receipt
    comps = sql.execute_simple("SELECT scan_number, amount FROM comps ORDER BY scan_number").rows
    assert comps == [[number, usdt * 1_000_000] for number, (_, usdt) in sorted(expected.items()) if usdt]
    assert {number for number, _ in comps} <= {6_500, 7_000, 7_500}
    reached = sql.execute_simple("SELECT scan_number, type FROM milestones ORDER BY scan_number, type").rows
    assert reached == [[6_500, "crypto_100"], [7_000, "crypto_100"], [7_500, "crypto_100"], [7_500, "crypto_1k"]]


def scan_all(client: Client, members: list[Somebody], codes: list[str]) -> list[dict[str, Any]]:
    """Each member's codes by a client of their own, all clients at once."""

    def scan(position: int) -> list[dict[str, Any]]:
        mine = client(members[position].token, address=f"198.51.100.{position}")
        answers = [mine.post("/v1/scans/submit", {"code": code}) for code in codes[position::CLIENTS]]
        assert {answer.status for answer in answers} == {201}
        return [answer.body for answer in answers]

    with ThreadPoolExecutor(CLIENTS) as threads:
        return [receipt for receipts in threads.map(scan, range(CLIENTS)) for receipt in receipts]


def oracle(sql: Connection) -> dict[int, tuple[str, int]]:
    """Tier and USDT by scan number, worked out from nothing but who took which number."""
    scans: defaultdict[str, int] = defaultdict(int)
    outcome: dict[int, tuple[str, int]] = {}
    for number, member in sql.execute_simple("SELECT number, member_id FROM scans ORDER BY number").rows:
        scans[member] += 1
        rank = sum(scans[member] >= needed for needed in (7, 15, 30))
        usdt = 0
        if number % 7_500 == 0 and rank >= 2:
            usdt = 1_000
        elif number % 500 == 0 and rank >= 1:
            usdt = 100
        outcome[number] = (RANKS[rank], usdt)
    return outcome
