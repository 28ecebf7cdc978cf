"""While people and sales change what decides awards, every number is awarded as the last revision that begins at or
below it says: by an oracle that reads the revisions and who scanned which number, and nothing else.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any

from pg8000.dbapi import Connection

from shared import db
from tests import factories
from tests.client import FunctionClient

Client = Callable[..., FunctionClient]

SCANNERS = 12
SCANS = 25  # of each
RANKS = ("standard", "vip", "high_roller", "whale")
NOTICE = 15
CHURN = (  # better and worse, from three hands at once
    ("UPDATE comp_rules SET amount = 90000000 WHERE type = 'crypto_100'",
     "UPDATE comp_rules SET amount = 110000000 WHERE type = 'crypto_100'",
     "UPDATE comp_rules SET enabled = NOT enabled WHERE type = 'crypto_1k'"),
    ("UPDATE sales_volume SET tins_per_month = tins_per_month + 1",
     "UPDATE sales_volume SET tins_per_month = 0",
     "UPDATE comp_rules SET unlock_volume = 1 - unlock_volume WHERE type = 'crypto_1k'"),
    ("UPDATE settings SET value = jsonb_set(value, '{vip}', '3') WHERE name = 'tier_thresholds'",
     "UPDATE settings SET value = jsonb_set(value, '{vip}', '9') WHERE name = 'tier_thresholds'",
     "UPDATE settings SET value = jsonb_set(value, '{whale}', '12') WHERE name = 'tier_thresholds'",
     "UPDATE settings SET value = jsonb_set(value, '{whale}', '30') WHERE name = 'tier_thresholds'"),
)  # fmt: skip


def test_every_number_is_awarded_as_its_revision_says(client: Client, sql: Connection) -> None:
    sql.execute_simple(f"""
        UPDATE settings SET value = '{NOTICE}' WHERE name = 'rules_notice';
        UPDATE comp_rules SET "interval" = 1 WHERE type = 'crypto_100';
        UPDATE comp_rules SET "interval" = 2, unlock_volume = 1 WHERE type = 'crypto_1k'""")
    members = [factories.member() for _ in range(SCANNERS)]
    codes = factories.manufactured_codes(SCANNERS * SCANS)
    stop = threading.Event()

    def scan(position: int) -> None:
        mine = client(members[position].token, address=f"198.51.100.{position}")
        for code in codes[position::SCANNERS]:
            assert mine.post("/v1/scans/submit", {"code": code}).status == 201

    with ThreadPoolExecutor(SCANNERS + len(CHURN)) as threads:
        changing = [threads.submit(churn, statements, stop) for statements in CHURN]
        list(threads.map(scan, range(SCANNERS)))
        stop.set()
        changes = sum(each.result() for each in changing)

    revisions = sql.execute_simple("SELECT revision, from_number, body FROM award_inputs ORDER BY revision").rows
    made = sql.execute_simple(
        "SELECT number, member_id, tier, quarter_scans, usdt_earned FROM scans ORDER BY number"
    ).rows
    assert [number for number, *_ in made] == list(range(1, SCANNERS * SCANS + 1))
    expected = list(oracle(revisions, made))
    assert [(number, tier, usdt) for number, _, tier, _, usdt in made] == [
        (n, tier, usdt) for n, tier, usdt, _ in expected
    ]
    written = "SELECT scan_number, CAST(reason ->> 'inputs_revision' AS bigint) FROM comps ORDER BY scan_number"
    assert sql.execute_simple(written).rows == [[n, revision] for n, _, usdt, revision in expected if usdt]
    assert changes > len(CHURN)
    assert len({revision for *_, revision in expected}) > len(CHURN)  # the numbers were ruled by many of them


def churn(statements: tuple[str, ...], stop: threading.Event) -> int:
    """Change after change until told to stop; how many."""
    for count, statement in enumerate(cycle(statements), 1):
        with db.transaction() as tx:
            tx.run(statement)
        if stop.wait(0.005):
            return count
    raise AssertionError("unreachable")


def oracle(revisions: list[list[Any]], made: list[list[Any]]) -> Iterator[tuple[int, str, int, int]]:
    """Number, tier, USDT and ruling revision of each scan, in the order of the count."""
    ranks: defaultdict[Any, int] = defaultdict(int)
    scans: defaultdict[Any, int] = defaultdict(int)
    for number, member_id, _, quarter_scans, _ in made:
        revision, body = [(revision, body) for revision, first, body in revisions if first <= number][-1]
        scans[member_id] += 1
        assert quarter_scans == scans[member_id]
        reached = [rank for rank, tier in enumerate(RANKS) if scans[member_id] >= body["tier_thresholds"][tier]]
        ranks[member_id] = max(ranks[member_id], *reached)
        usdt = 0
        for kind in ("crypto_100", "crypto_1k"):  # the higher one comes last
            prize = body["prizes"][kind]
            if prize["enabled"] and number % prize["interval"] == 0:
                unlocked = body["tins_per_month"] >= prize["unlock_volume"]
                if unlocked and ranks[member_id] >= RANKS.index(prize["tier"]):
                    usdt = prize["amount"]
        yield number, RANKS[ranks[member_id]], usdt, revision
