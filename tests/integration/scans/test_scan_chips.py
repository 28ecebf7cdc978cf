"""Each scan of a referred member brings the affiliate one chip, in the scan's own transaction."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient

Client = Callable[..., FunctionClient]


def test_affiliates_get_a_chip_for_each_scan_of_those_they_referred(client: Client, sql: Connection) -> None:
    affiliates = [factories.member() for _ in range(3)]
    referred = [factories.member(referred_by=affiliates[number % 3]) for number in range(12)]
    alone = factories.member()
    codes = factories.manufactured_codes(60)
    scanners = [*referred, *affiliates, alone]

    def scan(number: int) -> int:
        member = scanners[number % len(scanners)]
        mine = client(member.token, address=f"198.51.100.{number}")
        return mine.post("/v1/scans/submit", {"code": codes[number]}).status

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(scan, range(len(codes)))) == {201}

    expected = sql.execute_simple(
        """
        SELECT m.referred_by_id, count(*), array_agg(s.number ORDER BY s.number)
        FROM scans s JOIN members m ON m.id = s.member_id WHERE m.referred_by_id IS NOT NULL GROUP BY 1 ORDER BY 1
        """
    ).rows
    assert sum(chips for _, chips, _ in expected) == sum(60 // 16 + (number < 60 % 16) for number in range(12))
    chips = "SELECT affiliate_id, count(*), array_agg(scan_number ORDER BY scan_number) FROM affiliate_chips GROUP BY 1"
    assert sql.execute_simple(chips + " ORDER BY 1").rows == expected
    balances = sql.execute_simple("SELECT affiliate_id, earned FROM chip_balances ORDER BY 1").rows
    assert balances == [[affiliate, chips] for affiliate, chips, _ in expected]


def test_members_see_their_chips(client: Client, sql: Connection) -> None:
    affiliate = factories.member()
    first, second = factories.manufactured_codes(2)
    client(factories.member(referred_by=affiliate).token).post("/v1/scans/submit", {"code": first})
    assert client(affiliate.token).get("/v1/users/me/stats").body["gold_chips"] == 1
    factories.set_scan_counter(499)
    sql.execute_simple("UPDATE comp_rules SET tier = 'standard' WHERE type = 'crypto_100'")
    receipt = client(affiliate.token).post("/v1/scans/submit", {"code": second}).body
    assert receipt["comp_earned"]["gold_chips"] == 1


def test_a_refused_scan_brings_no_chip(client: Client, sql: Connection) -> None:
    referred = client(factories.member(referred_by=factories.member()).token)
    (code,) = factories.manufactured_codes(1)
    assert referred.post("/v1/scans/submit", {"code": code}).status == 201
    for again in (code, "AAAA-AAAA-AAAA"):
        assert referred.post("/v1/scans/submit", {"code": again}).status in (409, 422)
    assert sql.execute_simple("SELECT count(*) FROM affiliate_chips").rows == [[1]]
    assert sql.execute_simple("SELECT earned FROM chip_balances").rows == [[1]]
