"""Admins decide about flagged scans: cleared ones give what they won, fraud loses it, once and whoever is at it."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

Client = Callable[..., FunctionClient]
QUEUE = "/v1/admin/scans/flagged"
EAST, WEST = {"latitude": 40.71, "longitude": -74.01}, {"latitude": 34.05, "longitude": -118.24}
WALLET = "0x" + "a1" * 20
NOTE = "Ticket 4713"


@dataclass
class ScanReviewer:
    """An admin, and members whose scans are flagged."""

    client: Client
    admin: FunctionClient

    def flagged(self, number: int, who: Somebody | None = None, codes: int = 2) -> dict[str, Any]:
        """A scan of a whale in two places at once that takes this number; its receipt."""
        member = who or factories.member(permanent_tier=Tier.WHALE, wallet=f"0xAb{number:038x}")
        mine = self.client(member.token)
        made = factories.manufactured_codes(codes)
        factories.set_scan_counter(number - codes)
        for code, place in zip(made, (EAST, WEST), strict=True):
            answer = mine.post("/v1/scans/submit", {"code": code, "location": place})
        assert answer.body["scan_number"] == number
        return dict(answer.body)

    def decide(self, scan_id: str, decision: str, note: str = NOTE) -> Answer:
        return self.admin.post(f"{QUEUE}/{scan_id}/decide", {"decision": decision, "note": note})

    def bulk(self, scans: list[str], decision: str) -> list[str]:
        answer = self.admin.post(f"{QUEUE}/decide", {"decision": decision, "note": NOTE, "scan_ids": scans})
        assert [item["scan_id"] for item in answer.body["items"]] == scans
        return [item["outcome"] for item in answer.body["items"]]


@pytest.fixture
def reviewer(client: Client) -> ScanReviewer:
    return ScanReviewer(client, client(factories.member(role=Role.OPERATIONS).token))


def rows(sql: Connection, query: str) -> list[list[Any]]:
    return list(sql.execute_simple(query).rows)


def test_the_queue_shows_why_a_scan_was_flagged_and_what_it_won(reviewer: ScanReviewer) -> None:
    receipt = reviewer.flagged(500)
    (shown,) = reviewer.admin.get(f"{QUEUE}?status=open").body["items"]
    assert (shown["scan_id"], shown["scan_number"], shown["flags"]) == (receipt["scan_id"], 500, ["impossible_travel"])
    assert shown["details"]["impossible_travel"]["kilometres"] > 3_900
    assert [(comp["type"], comp["amount"], comp["status"]) for comp in shown["comps"]] == [
        ("crypto_100", 100, "in_review")
    ]
    assert shown["member_id"].endswith("-WH")
    assert (shown["latitude"], shown["ip_address"]) == (34.05, "203.0.113.7")


def test_the_queue_is_filtered_and_read_page_by_page(reviewer: ScanReviewer) -> None:
    receipts = [reviewer.flagged(number) for number in (11, 21, 31)]
    reviewer.decide(receipts[0]["scan_id"], "clear")
    assert len(reviewer.admin.get(f"{QUEUE}?status=open").body["items"]) == 2
    assert len(reviewer.admin.get(f"{QUEUE}?flag=burst").body["items"]) == 0
    member = reviewer.admin.get(QUEUE).body["items"][0]["member_uuid"]
    assert len(reviewer.admin.get(f"{QUEUE}?member_id={member}").body["items"]) == 1
    first = reviewer.admin.get(f"{QUEUE}?limit=2").body
    second = reviewer.admin.get(f"{QUEUE}?limit=2&cursor={first['next_cursor']}").body
    numbers = [item["scan_number"] for item in first["items"] + second["items"]]
    assert (numbers, second["next_cursor"]) == ([31, 21, 11], None)


def test_a_cleared_scan_gives_what_it_won(reviewer: ScanReviewer, sql: Connection) -> None:
    receipt = reviewer.flagged(500)
    answer = reviewer.decide(receipt["scan_id"], "clear")
    assert (answer.status, answer.body["status"], answer.body["note"]) == (200, "cleared", NOTE)
    assert [comp["status"] for comp in answer.body["comps"]] == ["pending"]
    assert rows(sql, "SELECT state, amount FROM payouts") == [["REQUESTED", 100_000_000]]
    assert rows(sql, "SELECT action, resource_type FROM audit_logs") == [["flagged_scan.decide", "scan"]]


def test_confirmed_fraud_loses_what_it_won_and_keeps_its_number(reviewer: ScanReviewer, sql: Connection) -> None:
    receipt = reviewer.flagged(500)
    answer = reviewer.decide(receipt["scan_id"], "confirm")
    assert (answer.body["status"], [comp["status"] for comp in answer.body["comps"]]) == ("confirmed", ["cancelled"])
    assert rows(sql, "SELECT count(*) FROM payouts") == [[0]]
    assert rows(sql, "SELECT number FROM scans ORDER BY number") == [[499], [500]]
    owed = "SELECT coalesce(sum(balance), 0)::bigint FROM ledger_balances WHERE account = 'owed:member'"
    assert rows(sql, owed) == [[0]]


def test_what_was_paid_before_stays_and_is_shown(reviewer: ScanReviewer, sql: Connection) -> None:
    receipt = reviewer.flagged(500)
    sql.execute_simple("UPDATE comps SET status = 'pending'")
    sql.execute_unnamed(
        "UPDATE comps SET status = 'paid', paid_at = awarded_at, transaction_hash = $1", ("0x" + "ab" * 32,)
    )
    answer = reviewer.decide(receipt["scan_id"], "confirm")
    assert (answer.body["status"], [comp["status"] for comp in answer.body["comps"]]) == ("confirmed", ["paid"])


def test_the_same_decision_again_is_harmless_and_another_is_refused(reviewer: ScanReviewer, sql: Connection) -> None:
    scan_id = reviewer.flagged(500)["scan_id"]
    assert reviewer.decide(scan_id, "clear").status == 200
    assert reviewer.decide(scan_id, "clear", "once more").body["note"] == NOTE
    refused = reviewer.decide(scan_id, "confirm")
    assert (refused.status, refused.problem, refused.body["decision"]) == (409, "scan-decided", "cleared")
    assert rows(sql, "SELECT count(*) FROM payouts") == [[1]]
    assert rows(sql, "SELECT count(*) FROM audit_logs") == [[1]]


def test_many_are_decided_at_once_and_the_others_named(reviewer: ScanReviewer, sql: Connection) -> None:
    admin_member = factories.member(role=Role.OPERATIONS, permanent_tier=Tier.WHALE)
    reviewer.admin = reviewer.client(admin_member.token)
    first, second, own = reviewer.flagged(500), reviewer.flagged(1_000), reviewer.flagged(1_500, who=admin_member)
    decided = reviewer.flagged(2_000)
    assert reviewer.decide(decided["scan_id"], "clear").status == 200
    unknown = str(uuid4())
    scans = [decided["scan_id"], second["scan_id"], unknown, own["scan_id"], first["scan_id"]]
    assert reviewer.bulk(scans, "confirm") == [
        "decided_otherwise",
        "confirmed",
        "not_flagged",
        "about_you",
        "confirmed",
    ]
    statuses = rows(sql, "SELECT scan_number, status FROM comps ORDER BY scan_number")
    assert statuses == [[500, "cancelled"], [1_000, "cancelled"], [1_500, "in_review"], [2_000, "pending"]]


def test_nobody_decides_about_a_scan_that_brings_them_money(reviewer: ScanReviewer, client: Client) -> None:
    affiliate = factories.member(role=Role.OPERATIONS)
    winner = factories.member(permanent_tier=Tier.WHALE, wallet=WALLET, referred_by=affiliate)
    receipt = reviewer.flagged(500, who=winner)
    reviewer.admin = client(affiliate.token)
    answer = reviewer.decide(receipt["scan_id"], "clear")
    assert (answer.status, answer.problem) == (403, "own-scan")


def test_of_16_admins_who_disagree_one_kind_prevails(reviewer: ScanReviewer, sql: Connection, client: Client) -> None:
    scans = [reviewer.flagged(number)["scan_id"] for number in (500, 1_000, 1_500)]
    admins = [client(factories.member(role=Role.OPERATIONS).token) for _ in range(16)]

    def decide(number: int) -> list[str]:
        decision = ("clear", "confirm")[number % 2]
        order = scans if number % 4 < 2 else scans[::-1]
        answer = admins[number].post(f"{QUEUE}/decide", {"decision": decision, "note": NOTE, "scan_ids": order})
        return [item["outcome"] for item in sorted(answer.body["items"], key=lambda item: str(item["scan_id"]))]

    with ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(decide, range(16)))
    for position in range(3):
        counted = Counter(outcome[position] for outcome in outcomes)
        assert counted["decided_otherwise"] == 8
        assert counted["cleared"] + counted["confirmed"] == 8
        assert 0 in (counted["cleared"], counted["confirmed"])
    cleared = rows(sql, "SELECT count(*) FROM flagged_scans WHERE status = 'cleared'")
    assert rows(sql, "SELECT count(*) FROM payouts") == cleared
    assert rows(sql, "SELECT count(*) FROM audit_logs") == [[3]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "clear"},
        {"decision": "maybe", "note": NOTE},
        {"decision": "clear", "note": "  "},
        {"decision": "clear", "note": "x" * 501},
        {"decision": "clear", "note": NOTE, "more": 1},
        {"decision": "clear", "note": NOTE, "scan_ids": []},
        {"decision": "clear", "note": NOTE, "scan_ids": ["x"]},
        {"decision": "clear", "note": NOTE, "scan_ids": [str(uuid4())] * 2},
        {"decision": "clear", "note": NOTE, "scan_ids": [str(uuid4()) for _ in range(101)]},
    ],
)
def test_a_decision_that_is_none_changes_nothing(reviewer: ScanReviewer, sql: Connection, body: dict[str, Any]) -> None:
    scan_id = reviewer.flagged(500)["scan_id"]
    if "scan_ids" not in body:
        assert reviewer.admin.post(f"{QUEUE}/{scan_id}/decide", body).problem == "not-valid"
    assert reviewer.admin.post(f"{QUEUE}/decide", body).problem == "not-valid"
    assert rows(sql, "SELECT status FROM flagged_scans") == [["open"]]
