"""The page of an affiliate's figures: what was earned, what is owed and why, the downline, the links and the week."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.affiliate import rules
from functions.referral_refresh import main
from shared import clock, db
from shared.auth import Role
from shared.members import downline
from shared.values.money import Usdt
from shared.values.weeks import next_sunday
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.week_rows import AFTER, CUT, Weeks, wallet

Client = Callable[..., FunctionClient]

STATS = "/v1/affiliate/stats"
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def stats(client: Client, somebody: Somebody) -> dict[str, Any]:
    answer = client(somebody.token).get(STATS)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.body
    return found


def owed(client: Client, somebody: Somebody) -> dict[str, float]:
    return {row["reason"]: row["amount"] for row in stats(client, somebody)["owed"]}


@pytest.mark.usefixtures("database")
def test_somebody_who_has_done_nothing_is_shown_nothing(client: Client) -> None:
    shown = stats(client, factories.member())
    assert (shown["earned_this_month"], shown["earned_last_month"], shown["earned_lifetime"]) == (0, 0, 0)
    assert (shown["owed"], shown["downline"]["total"], shown["downline_tins"]) == ([], 0, 0)
    assert shown["link_30_days"] == {"clicks": 0, "sign_ups": 0, "conversion": None}
    assert [count["tier"] for count in shown["downline"]["by_tier"]] == ["standard", "vip", "high_roller", "whale"]
    assert shown["permanent_progress"]["threshold"] == 210
    assert shown["week"] | {"ends_on": 0} == {
        "ends_on": 0, "chips": 0, "all_chips": None, "pool": None, "estimated_share": None,
    }  # fmt: skip


def test_what_was_earned_is_by_the_month_and_less_what_was_taken_back(
    client: Client, sql: Connection, weeks: Weeks
) -> None:
    somebody, now = factories.member(), clock.now()
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for at, amount in ((month, 100), (month - DAY / 86_400, 1_000), (month - 40 * DAY, 10_000)):
        earning = weeks.earn(somebody, Usdt.of(amount))
        sql.execute_unnamed("ALTER TABLE affiliate_earnings DISABLE TRIGGER affiliate_earning_changed", ())
        sql.execute_unnamed("UPDATE affiliate_earnings SET earned_at = $1 WHERE comp_id = $2", (at, earning))
    weeks.earn(factories.member(), Usdt.of(7))
    sql.execute_unnamed(
        """
        INSERT INTO affiliate_earnings (id, affiliate_id, referred_id, kind, reverses_id, amount, status, earned_at)
        SELECT gen_random_uuid(), affiliate_id, referred_id, 'reversal', id, -amount, 'pending', $2
        FROM affiliate_earnings WHERE affiliate_id = $1 AND amount = 210000000
        """,
        (somebody.id, now),
    )
    shown = stats(client, somebody)
    assert shown["earned_this_month"] == 21 - 210
    assert shown["earned_last_month"] == 210
    assert shown["earned_lifetime"] == 21 + 2_100


def test_a_share_is_earned_once_its_week_is_approved(client: Client, sql: Connection, weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.scan(somebody)
    weeks.fill(Usdt.of(100))
    weeks.run()
    assert stats(client, somebody)["earned_lifetime"] == 0
    assert owed(client, somebody) == {}
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    assert stats(client, somebody)["earned_lifetime"] == 100
    assert owed(client, somebody) == {"no_wallet": 100}
    sql.execute_simple("UPDATE affiliate_week_shares SET settled_at = now(), given_up = true")
    assert stats(client, somebody)["earned_lifetime"] == 0


def test_what_is_owed_says_what_it_waits_for(client: Client, sql: Connection, weeks: Weeks) -> None:
    poor, unlinked, resting, rich = (
        factories.member(wallet=wallet()), factories.member(), factories.member(wallet=wallet()),
        factories.member(wallet=wallet()),
    )  # fmt: skip
    sql.execute_unnamed("UPDATE members SET wallet_rests_until = $1 WHERE id = $2", (clock.now() + DAY, resting.id))
    weeks.earn(poor, Usdt.of(1))
    for person in (unlinked, resting, rich):
        weeks.earn(person, Usdt.of(100))
    assert owed(client, poor) == {"below_minimum": 0.21}
    assert owed(client, unlinked) == {"no_wallet": 21}
    assert owed(client, resting) == {"wallet_rests": 21}
    assert owed(client, rich) == {"next_week": 21}
    weeks.scan(rich)
    weeks.fill(Usdt.of(100))
    weeks.run()
    assert owed(client, rich) == {"proposed": 21}, "the share is not owed before people agree"
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    assert owed(client, rich) == {"being_paid": 121}


def test_a_match_whose_scan_is_reviewed_is_owed_and_not_earned(client: Client, sql: Connection, weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    weeks.earn(somebody, Usdt.of(100))
    sql.execute_simple("ALTER TABLE affiliate_earnings DISABLE TRIGGER affiliate_earning_changed")
    sql.execute_simple("UPDATE affiliate_earnings SET status = 'in_review'")
    assert owed(client, somebody) == {"in_review": 21}
    assert stats(client, somebody)["earned_lifetime"] == 0


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-28T23:59:59+00:00", "2026-11-29"),
        ("2026-11-29T00:00:00+00:00", "2026-12-06"),
        ("2026-11-28T20:00:00-05:00", "2026-12-06"),
        ("2028-02-28T12:00:00+00:00", "2028-03-05"),
        ("2026-12-31T12:00:00+00:00", "2027-01-03"),
    ],
)
def test_the_next_payout_day_is_the_sunday_after_today(now: str, expected: str) -> None:
    assert next_sunday(datetime.fromisoformat(now)).isoformat() == expected


def test_the_downline_is_counted_by_tier_and_activity(client: Client, sql: Connection) -> None:
    affiliate = factories.member()
    for tier, is_active in (("standard", False), ("standard", True), ("vip", True)):
        friend = factories.member(referred_by=affiliate)
        sql.execute_unnamed(
            """
            UPDATE referrals SET tier = CAST($1 AS tier), is_active = $2, last_scan_at = now() WHERE referred_id = $3
            """,
            (tier, is_active, friend.id),
        )
    factories.member(referred_by=factories.member())
    db.atomically(downline.add_tins, friend.id, 250, "order", clock.now())
    shown = stats(client, affiliate)
    assert (shown["downline"]["total"], shown["downline"]["active"]) == (3, 2)
    assert [(row["members"], row["active"]) for row in shown["downline"]["by_tier"]] == [(2, 1), (1, 1), (0, 0), (0, 0)]
    assert (shown["downline_tins"], shown["permanent_tier"]) == (250, "vip")
    assert shown["permanent_progress"]["next_tier"] == "high_roller"


def test_the_conversion_is_of_thirty_days(client: Client, sql: Connection) -> None:
    affiliate, now = factories.member(), clock.now()
    for age in (0, 29, 31):
        friend = factories.member(referred_by=affiliate)
        sql.execute_unnamed("UPDATE referrals SET joined_at = $1 WHERE referred_id = $2", (now - age * DAY, friend.id))
        sql.execute_unnamed(
            "INSERT INTO referral_clicks VALUES ($1, $2, 'ada', 3)", (affiliate.id, (now - age * DAY).date())
        )
    assert stats(client, affiliate)["link_30_days"] == {"clicks": 6, "sign_ups": 2, "conversion": 0.3333}


def this_week(weeks: Weeks) -> datetime:
    """The present week begins: all weeks that have ended are opened. Returns a moment of it."""
    now = clock.now()
    weeks.run(now)
    return now


def test_the_week_so_far_estimates_the_share(client: Client, weeks: Weeks) -> None:
    me, other = factories.member(), factories.member()
    weeks.scan(me, 5, CUT - DAY)
    now = this_week(weeks)
    weeks.scan(me, 3, now)
    weeks.scan(other, 1, now)
    weeks.fill(Usdt.of(100), now - SECOND)
    main.refresh(now)
    week = stats(client, me)["week"]
    # the week of the first five had no pool: they were carried on
    assert (week["chips"], week["all_chips"], week["pool"]) == (8, 9, 100)
    assert week["estimated_share"] == 88.888888
    assert week["ends_on"] == next_sunday(now).isoformat()
    assert datetime.fromisoformat(stats(client, me)["as_of"]) == now


def test_doubted_scans_and_chips_beyond_the_cap_do_not_count_so_far(
    client: Client, sql: Connection, weeks: Weeks
) -> None:
    sql.execute_simple("UPDATE settings SET value = value || '{\"chips_max\": 2}' WHERE name = 'affiliate_week'")
    me = factories.member()
    now = this_week(weeks)
    numbers = weeks.scan(me, 4, now)
    weeks.flag(numbers[0])
    main.refresh(now)
    week = stats(client, me)["week"]
    assert (week["chips"], week["all_chips"], week["estimated_share"]) == (2, 3, 0)


def test_the_chips_so_far_are_those_that_the_week_would_count(client: Client, weeks: Weeks) -> None:
    me = factories.member()
    now = this_week(weeks)
    doubted, *_ = weeks.scan(me, 4, now)
    weeks.flag(doubted)
    main.refresh(now)
    week = stats(client, me)["week"]
    assert (week["chips"], week["all_chips"]) == (3, 3)
    assert client(me.token).get("/v1/affiliate/chips").body["active"] == 3


def test_a_week_that_is_not_known_is_not_estimated(client: Client, weeks: Weeks) -> None:
    me = factories.member()
    now = this_week(weeks)
    weeks.scan(me, 1, now)
    weeks.fill(Usdt.of(100), now - SECOND)
    main.refresh(now - timedelta(hours=1, seconds=1))
    assert stats(client, me)["week"]["estimated_share"] is None
    main.refresh(now)
    assert stats(client, me)["week"]["estimated_share"] == 100


def test_the_chips_of_a_week_that_was_counted_are_not_those_of_the_next(client: Client, weeks: Weeks) -> None:
    me = factories.member()
    weeks.scan(me, 5)
    weeks.fill(Usdt.of(100))
    weeks.run(AFTER)
    main.refresh(AFTER)
    this_week(weeks)
    main.refresh(clock.now())
    week = stats(client, me)["week"]
    assert (week["chips"], week["all_chips"], week["estimated_share"]) == (0, 0, None)


def test_an_estimate_never_exceeds_the_pool() -> None:
    pool = Usdt.of(10)
    assert rules.estimated_share(pool, 7, 3) == pool
    assert rules.estimated_share(pool, 0, 0) is None
    assert rules.estimated_share(-pool, 1, 1) is None
    assert rules.estimated_share(Usdt(2**62), 1, 3) == Usdt(2**62 // 3)
