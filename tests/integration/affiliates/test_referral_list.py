"""An affiliate sees whom they have referred, and nobody else's: by state and tier, page by page."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.profile import closing
from functions.referral_refresh import main
from shared import clock, db
from shared.members import downline, tier_history
from shared.members.tier_history import TierChange
from shared.values.money import Usdt
from shared.values.tiers import Tier, quarter_of
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.week_rows import CUT, Weeks

Client = Callable[..., FunctionClient]

LIST = "/v1/affiliate/referrals"
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def name_of(somebody: Somebody) -> str:
    return somebody.email.partition("@")[0]


def scanned(sql: Connection, member: Somebody, at: datetime) -> None:
    """Record a scan of the member's, with the next number."""
    sql.execute_unnamed(
        """
        INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter,
                           quarter_scans, processing_ms)
        SELECT gen_random_uuid(), (SELECT coalesce(max(number), 0) + 1 FROM scans), $1, '', 'X', $2, 'qr', 'standard',
               '2026-Q4', 1, 1
        """,
        (member.id, at),
    )


def items(client: FunctionClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(LIST + query)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.body["items"]
    return found


def names(client: FunctionClient, query: str = "") -> list[str]:
    return [item["username"] for item in items(client, query)]


def test_whoever_proved_the_address_is_in_the_list_of_who_referred_them(client: Client, sql: Connection) -> None:
    affiliate = factories.member()
    first, second = (factories.member(referred_by=affiliate) for _ in range(2))
    unproved = factories.member(referred_by=affiliate)
    sql.execute_unnamed("DELETE FROM referrals WHERE referred_id = $1", (unproved.id,))
    sql.execute_unnamed("UPDATE members SET email_verified_at = NULL WHERE id = $1", (unproved.id,))
    factories.member(referred_by=first)
    assert names(client(affiliate.token)) == [name_of(second), name_of(first)]
    sql.execute_unnamed("UPDATE members SET email_verified_at = now() WHERE id = $1", (unproved.id,))
    assert names(client(affiliate.token)) == [name_of(unproved), name_of(second), name_of(first)]
    assert items(client(second.token)) == []


def test_a_referral_is_shown_with_scans_tins_and_what_was_earned_by_it(
    client: Client, sql: Connection, weeks: Weeks
) -> None:
    affiliate = factories.member()
    weeks.earn(affiliate, Usdt.of(100))  # by somebody else
    friend = factories.member(referred_by=affiliate)
    sql.execute_unnamed("UPDATE member_totals SET scans = 12 WHERE member_id = $1", (friend.id,))
    for source, tins in (("a", 30), ("b", -4)):
        db.atomically(downline.add_tins, friend.id, tins, source, clock.now())
    for status, amount in (("pending", 21_000_000), ("in_review", 1), ("cancelled", 2)):
        sql.execute_unnamed(
            """
            WITH comp AS (
                INSERT INTO comps (id, member_id, type, amount, source_kind, source_id, reason, awarded_at)
                VALUES (gen_random_uuid(), $1, 'manual', 100000000, 'manual', gen_random_uuid(), '{}', now())
                RETURNING id)
            INSERT INTO affiliate_earnings (id, affiliate_id, referred_id, kind, comp_id, value, percent, amount,
                                            status, earned_at, cancelled_at)
            SELECT gen_random_uuid(), $2, $1, 'prize_match', id, $3::bigint * 100 / 21 + 1, 21,
                   ($3::bigint * 100 / 21 + 1) * 21 / 100, $4, now(), CASE WHEN $4 = 'cancelled' THEN now() END
            FROM comp
            """,
            (friend.id, affiliate.id, amount, status),
        )
    shown, other = items(client(affiliate.token))
    assert (shown["username"], shown["scans"], shown["tins"], shown["earned"]) == (name_of(friend), 12, 26, 21)
    assert (shown["tier"], shown["state"], shown["last_scan_at"]) == ("standard", "inactive", None)
    assert (other["tins"], other["earned"]) == (0, 21)


def test_scans_make_a_referral_active_for_thirty_days_and_raise_its_tier(client: Client, sql: Connection) -> None:
    affiliate, now = factories.member(), clock.now()
    friend = factories.member(referred_by=affiliate)
    scanned(sql, friend, now - DAY)
    scanned(sql, friend, now - 2 * DAY)
    factories.quarter(friend, Tier.VIP, 7, quarter_of(now))
    main.refresh(now)
    (shown,) = items(client(affiliate.token))
    assert (shown["tier"], shown["state"]) == ("vip", "active")
    assert datetime.fromisoformat(shown["last_scan_at"]) == now - DAY
    main.refresh(now + 29 * DAY - timedelta(seconds=1))
    assert items(client(affiliate.token), "?state=active") != []
    main.refresh(now + 29 * DAY)
    assert names(client(affiliate.token), "?state=inactive") == [name_of(friend)]
    assert items(client(affiliate.token), "?state=active") == []


def test_a_scan_that_is_followed_late_makes_nobody_active(client: Client, sql: Connection) -> None:
    affiliate, now = factories.member(), clock.now()
    friend = factories.member(referred_by=affiliate)
    scanned(sql, friend, now - 30 * DAY)
    main.refresh(now)
    (shown,) = items(client(affiliate.token))
    assert (shown["state"], shown["last_scan_at"] is None) == ("inactive", False)


def test_each_scan_is_followed_once_however_often_and_in_what_batches(
    sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "AT_ONCE", 2)
    affiliate, now = factories.member(), clock.now()
    friends = [factories.member(referred_by=affiliate) for _ in range(5)]
    for friend in friends:
        scanned(sql, friend, now)
    monkeypatch.setattr(main, "BATCHES_MAX", 1)
    main.refresh(now)
    assert sql.execute_simple("SELECT last_number FROM referral_progress").rows == [[2]]
    monkeypatch.setattr(main, "BATCHES_MAX", 100)
    for _ in range(2):
        main.refresh(now)
    assert sql.execute_simple("SELECT last_number FROM referral_progress").rows == [[5]]
    assert sql.execute_simple("SELECT count(*) FROM referrals WHERE is_active").rows == [[5]]
    main.refresh(now - DAY)
    assert sql.execute_simple("SELECT as_of FROM referral_progress").rows == [[now]]


def test_scans_of_a_week_that_was_opened_meanwhile_are_not_chips_of_the_next(
    sql: Connection, weeks: Weeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "AT_ONCE", 2)
    affiliate, now = factories.member(), clock.now()
    weeks.scan(affiliate, 5, CUT)
    weeks.run(now)
    weeks.scan(affiliate, 3, now)
    weeks.fill(Usdt.of(7), now - SECOND)
    main.refresh(now)
    shown = sql.execute_simple("SELECT last_number, scan_chips, pool, as_of FROM referral_progress").rows
    assert shown == [[8, 3, 7_000_000, now]]


def test_one_run_notes_more_tiers_and_lapses_than_a_batch_has(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "AT_ONCE", 2)
    affiliate, now = factories.member(), clock.now()
    for friend in [factories.member(referred_by=affiliate) for _ in range(5)]:
        scanned(sql, friend, now)
        change = TierChange(friend.id, "ended", Tier.STANDARD, now, quarter=quarter_of(now), scan_count=0)
        db.atomically(tier_history.record, change)
    with db.acting_for("referral_refresh"):
        main.refresh(now)
    assert sql.execute_simple("SELECT count(*) FROM referral_changes").rows == [[0]]
    main.refresh(now + 30 * DAY)
    assert sql.execute_simple("SELECT count(*) FROM referrals WHERE is_active").rows == [[0]]


def test_a_tier_that_people_or_the_end_of_a_quarter_change_is_followed(client: Client, sql: Connection) -> None:
    affiliate, now = factories.member(), clock.now()
    friend = factories.member(referred_by=affiliate)
    sql.execute_unnamed("UPDATE members SET permanent_tier = 'whale' WHERE id = $1", (friend.id,))
    change = TierChange(friend.id, "earned", Tier.WHALE, now, downline_tins=21_000)
    db.atomically(tier_history.record, change)
    main.refresh(now)
    assert names(client(affiliate.token), "?tier=whale") == [name_of(friend)]
    sql.execute_unnamed("UPDATE members SET permanent_tier = 'standard' WHERE id = $1", (friend.id,))
    ended = TierChange(friend.id, "ended", Tier.STANDARD, now, quarter=quarter_of(now), scan_count=0)
    db.atomically(tier_history.record, ended)
    main.refresh(now)
    assert names(client(affiliate.token), "?tier=whale") == []
    assert names(client(affiliate.token), "?tier=standard&state=inactive") == [name_of(friend)]
    assert sql.execute_simple("SELECT count(*) FROM referral_changes").rows == [[0]]


def test_the_job_may_do_all_of_it_with_its_own_rights(sql: Connection) -> None:
    affiliate, now = factories.member(), clock.now()
    friend, gone = (factories.member(referred_by=affiliate) for _ in range(2))
    scanned(sql, friend, now)
    scanned(sql, gone, now - 40 * DAY)
    sql.execute_unnamed(
        "UPDATE referrals SET is_active = true, last_scan_at = $2 WHERE referred_id = $1", (gone.id, now - 40 * DAY)
    )
    change = TierChange(friend.id, "ended", Tier.STANDARD, now, quarter=quarter_of(now), scan_count=0)
    db.atomically(tier_history.record, change)
    with db.acting_for("referral_refresh"):
        main.refresh(now)
    assert sql.execute_simple("SELECT count(*) FROM referral_changes").rows == [[0]]
    assert sql.execute_simple("SELECT count(*) FROM referrals WHERE is_active").rows == [[1]]


def test_runs_at_once_follow_each_scan_and_each_tier_once(sql: Connection, weeks: Weeks) -> None:
    now = clock.now()
    affiliate = factories.member()
    friends = [factories.member(referred_by=affiliate) for _ in range(4)]
    weeks.run(now)
    weeks.scan(affiliate, 6, now)
    for friend in friends:
        scanned(sql, friend, now)
        change = TierChange(friend.id, "ended", Tier.STANDARD, now, quarter=quarter_of(now), scan_count=0)
        db.atomically(tier_history.record, change)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(main.refresh, [now] * 8))
    assert sql.execute_simple("SELECT last_number, scan_chips FROM referral_progress").rows == [[10, 6]]
    assert sql.execute_simple("SELECT count(*) FROM referrals WHERE is_active").rows == [[4]]
    assert sql.execute_simple("SELECT count(*) FROM referral_changes").rows == [[0]]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(main.refresh, [now + 30 * DAY] * 8))
    assert sql.execute_simple("SELECT count(*) FROM referrals WHERE is_active").rows == [[0]]


def test_what_a_scan_earns_leaves_nothing_for_the_job_to_clear(sql: Connection) -> None:
    friend = factories.member(referred_by=factories.member())
    change = TierChange(friend.id, "earned", Tier.VIP, clock.now(), quarter="2026-Q4", scan_count=7)
    db.atomically(tier_history.record, change)
    assert sql.execute_simple("SELECT count(*) FROM referral_changes").rows == [[0]]


@pytest.mark.parametrize("query", ["", "?tier=vip", "?state=active", "?tier=vip&state=active"])
def test_pages_have_each_referral_once_however_they_are_cut(client: Client, sql: Connection, query: str) -> None:
    affiliate = factories.member()
    for number in range(12):
        friend = factories.member(referred_by=affiliate)
        sql.execute_unnamed(
            """
            UPDATE referrals SET joined_at = $2, tier = CAST($3 AS tier), is_active = $4, last_scan_at = now()
            WHERE referred_id = $1
            """,
            (
                friend.id,
                datetime(2026, 11, 1 + number // 3, tzinfo=UTC),
                ("vip", "standard")[number % 2],
                number % 3 == 0,
            ),
        )
    mine = client(affiliate.token)
    whole = [item["id"] for item in items(mine, f"{query or '?'}&limit=100")]
    cut, cursor = list[str](), ""
    while True:
        answer = mine.get(f"{LIST}{query or '?'}&limit=2{cursor}").body
        cut += [item["id"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['next_cursor']}"
    assert len(whole) == {"": 12, "?tier=vip": 6, "?state=active": 4, "?tier=vip&state=active": 2}[query]
    assert cut == whole


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("query", ["?tier=gold", "?state=erased", "?cursor=x", "?limit=0", "?page=2", "?tier="])
def test_a_filter_that_does_not_exist_is_refused(client: Client, query: str) -> None:
    assert client(factories.member().token).get(LIST + query).problem == "not-valid"


@pytest.mark.usefixtures("database")
def test_somebody_who_has_left_stays_without_a_name(client: Client) -> None:
    affiliate = factories.member()
    friend = factories.member(referred_by=affiliate)
    db.atomically(closing.close, friend.id, forfeit=True, now=clock.now())
    (shown,) = items(client(affiliate.token))
    assert (shown["id"], shown["username"]) == (str(friend.id), None)


def test_a_referral_ends_when_people_take_the_credit_back(client: Client, sql: Connection) -> None:
    affiliate = factories.member()
    friend = factories.member(referred_by=affiliate)
    sql.execute_unnamed("UPDATE members SET referred_by_id = NULL WHERE id = $1", (friend.id,))
    assert items(client(affiliate.token)) == []
