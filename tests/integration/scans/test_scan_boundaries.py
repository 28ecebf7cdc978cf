"""64 scanners at once across the numbers that win most: each prize once, and to the scan that took the number."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.scans.receipts import ScanReceipt
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.fakes.scan_groups import Step, member_of_rank, scan_together

Client = Callable[..., FunctionClient]
SCANNERS = 64
SCANS = 3  # of each
PRIZES = {
    7_500: {"crypto_100": False, "crypto_1k": True},
    125_000: {"casino": True, "crypto_100": False, "crypto_10k": True},
    500_000: {"casino": True, "crypto_100": False, "crypto_10k": True, "trip": True},
}
DOLLARS = {7_500: 1_000, 125_000: 11_000, 500_000: 11_000}


@pytest.mark.parametrize("boundary", PRIZES)
def test_each_prize_is_won_once_by_the_scan_that_took_the_number(
    client: Client, sql: Connection, boundary: int
) -> None:
    whales = [factories.member(permanent_tier=Tier.WHALE) for _ in range(SCANNERS)]
    codes = factories.manufactured_codes(SCANNERS * SCANS)
    start = boundary - SCANNERS * SCANS // 2
    factories.set_scan_counter(start)
    sql.execute_simple("UPDATE sales_volume SET tins_per_month = 500000")

    def scan(position: int) -> list[dict[str, Any]]:
        mine = client(whales[position].token, address=f"198.51.100.{position}")
        answers = [mine.post("/v1/scans/submit", {"code": code}) for code in codes[position::SCANNERS]]
        assert [answer.status for answer in answers] == [201] * SCANS
        return [answer.body for answer in answers]

    with ThreadPoolExecutor(SCANNERS) as threads:
        receipts = [receipt for mine in threads.map(scan, range(SCANNERS)) for receipt in mine]

    assert sorted(receipt["scan_number"] for receipt in receipts) == list(range(start + 1, start + len(codes) + 1))
    (winner,) = [receipt for receipt in receipts if receipt["comp_earned"]]
    assert (winner["scan_number"], winner["usdt_earned"]) == (boundary, DOLLARS[boundary])
    rows = sql.execute_simple("SELECT scan_number, type, awarded FROM milestones ORDER BY type::text").rows
    assert rows == [[boundary, prize, awarded] for prize, awarded in PRIZES[boundary].items()]
    comps = sql.execute_simple(
        """
        SELECT c.type, c.scan_id, s.member_id = c.member_id AND s.number = c.scan_number
        FROM comps c JOIN scans s ON s.id = c.scan_id ORDER BY c.type::text
        """
    ).rows
    assert [[kind, str(scan_id), same] for kind, scan_id, same in comps] == [
        [prize, winner["scan_id"], True] for prize, awarded in PRIZES[boundary].items() if awarded
    ]


def test_what_was_won_before_in_the_same_group_is_in_what_was_won_in_all(sql: Connection) -> None:
    sql.execute_simple("UPDATE comp_rules SET interval = 1 WHERE type = 'crypto_100'")
    member, made = member_of_rank(3), factories.manufactured_codes(3)
    factories.set_scan_counter(1)

    told = scan_together([member], made, [Step(0, number) for number in range(3)])

    won = [it.comp_earned for it in told if isinstance(it, ScanReceipt) and it.comp_earned]
    assert [it.lifetime_comps.micro for it in won] == [100_000_000, 200_000_000, 300_000_000]
