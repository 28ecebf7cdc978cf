"""Members see their tiers: the better of both, the way to the next ones, and a new quarter from its first
instant, whatever job has or has not run.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import auth, db
from shared.auth import Claims
from shared.members import downline, standing
from shared.values import tiers
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody

Client = Callable[..., FunctionClient]

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def this_quarter() -> str:
    return tiers.quarter_of(datetime.now(UTC))


def suffix(member_id: str) -> str:
    return member_id.rpartition("-")[2]


def test_a_new_member_has_everything_before_them(client: Client) -> None:
    shown = client(factories.member().token).get("/v1/users/me/tier").body

    assert suffix(shown["member_id"]) == "ST"
    assert (shown["tier"], shown["quarter_tier"], shown["permanent_tier"]) == ("standard",) * 3
    assert shown["progress"] == {"next_tier": "vip", "threshold": 7, "remaining": 7, "percent": 0}
    assert shown["permanent_progress"] == {"next_tier": "vip", "threshold": 210, "remaining": 210, "percent": 0}
    assert shown["has_permanent_tier"] is False


def test_scans_fill_the_bar_and_raise_the_tier(client: Client) -> None:
    somebody = factories.member()
    member = client(somebody.token)
    for code in factories.manufactured_codes(9):
        receipt = member.post("/v1/scans/submit", {"code": code}).body

    shown = member.get("/v1/users/me/tier").body

    assert (shown["tier"], shown["quarter_tier"], shown["quarter_scans"]) == ("vip", "vip", 9)
    assert shown["progress"] == {"next_tier": "high_roller", "threshold": 15, "remaining": 6, "percent": 60}
    assert shown["member_id"] == receipt["member_id"] == member.get("/v1/users/me").body["member_id"]
    assert suffix(shown["member_id"]) == "VIP"


def test_for_a_whale_nothing_remains(client: Client) -> None:
    somebody = factories.member()
    factories.quarter(somebody, Tier.WHALE, 31, this_quarter())

    shown = client(somebody.token).get("/v1/users/me/tier").body

    assert shown["progress"] == {"next_tier": None, "threshold": None, "remaining": 0, "percent": 100}
    assert suffix(shown["member_id"]) == "WH"


def test_the_permanent_tier_counts_when_it_is_better(client: Client) -> None:
    somebody = factories.member()
    buyer = factories.member(referred_by=somebody)
    factories.quarter(somebody, Tier.VIP, 8, this_quarter())
    db.atomically(lambda tx: downline.add_tins(tx, buyer.id, 2_310, "order:1", datetime.now(UTC)))

    shown = client(somebody.token).get("/v1/users/me/tier").body

    assert (shown["tier"], shown["quarter_tier"], shown["permanent_tier"]) == ("high_roller", "vip", "high_roller")
    assert shown["has_permanent_tier"] is True
    assert shown["downline_tins"] == 2_310
    assert shown["permanent_progress"] == {
        "next_tier": "whale",
        "threshold": 21_000,
        "remaining": 18_690,
        "percent": 11,
    }
    assert shown["progress"] == {"next_tier": "whale", "threshold": 30, "remaining": 22, "percent": 26}
    assert suffix(shown["member_id"]) == "HR"
    assert client(somebody.token).get("/v1/users/me").body["member_id"] == shown["member_id"]


def test_refunds_below_nothing_are_shown_as_nothing(client: Client) -> None:
    somebody = factories.member()
    buyer = factories.member(referred_by=somebody)
    db.atomically(lambda tx: downline.add_tins(tx, buyer.id, -3, "refund:1", datetime.now(UTC)))

    shown = client(somebody.token).get("/v1/users/me/tier").body

    assert shown["downline_tins"] == 0
    assert shown["permanent_progress"]["remaining"] == 210


@pytest.mark.parametrize("permanent", [Tier.STANDARD, Tier.VIP])
def test_the_first_instant_of_a_quarter_has_its_own_tier_without_any_job(permanent: Tier, sql: Connection) -> None:
    somebody = factories.member(permanent_tier=permanent)
    factories.quarter(somebody, Tier.WHALE, 40, "2026-Q4")
    session = session_of(sql, somebody)
    yesterday = "UPDATE sessions SET created_at = $1, last_used_at = $1"  # it lives over the turn of the year
    sql.execute_unnamed(yesterday, (NEW_YEAR - timedelta(days=1),))

    def tier_at(moment: datetime) -> tuple[Tier, str]:
        seen = db.atomically(lambda tx: auth.member(tx, Claims(somebody.id, session), moment))
        found = db.atomically(lambda tx: standing.find(tx, somebody.id, tiers.quarter_of(moment)))
        assert found
        assert found.tier is seen.tier
        return seen.tier, suffix(found.member_id)

    assert tier_at(NEW_YEAR - INSTANT) == (Tier.WHALE, "WH")
    assert tier_at(NEW_YEAR) == (permanent, "ST" if permanent is Tier.STANDARD else "VIP")
    assert sql.execute_simple("SELECT count(*) FROM tier_history").rows == [[0]]


def session_of(sql: Connection, somebody: Somebody) -> UUID:
    found = sql.execute_unnamed("SELECT id FROM sessions WHERE member_id = $1", (somebody.id,))
    return UUID(str(found.rows[0][0]))


def test_the_history_is_newest_first_in_pages_and_only_ones_own(client: Client) -> None:
    somebody, other = factories.member(), factories.member()
    for person, count in ((somebody, 15), (other, 7)):
        for code in factories.manufactured_codes(count):
            assert client(person.token).post("/v1/scans/submit", {"code": code}).status == 201
    buyer = factories.member(referred_by=somebody)
    db.atomically(lambda tx: downline.add_tins(tx, buyer.id, 210, "order:1", datetime.now(UTC)))
    member = client(somebody.token)

    first = member.get("/v1/users/me/tier/history?limit=2").body
    rest = member.get(f"/v1/users/me/tier/history?limit=2&cursor={first['next_cursor']}").body

    lines = [*first["items"], *rest["items"]]
    assert [(line["tier"], line["is_permanent"]) for line in lines] == [
        ("vip", True), ("high_roller", False), ("vip", False),
    ]  # fmt: skip
    assert [line["scan_count"] for line in lines] == [0, 15, 7]
    assert lines[0]["downline_tins"] == 210
    assert [line["quarter"] for line in lines] == [None, this_quarter(), this_quarter()]
    assert rest["next_cursor"] is None
