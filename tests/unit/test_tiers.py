"""Tiers, quarters and member ids."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.values import tiers
from shared.values.tiers import Tier


@pytest.mark.parametrize(
    ("scans", "tier"),
    [(0, "standard"), (6, "standard"), (7, "vip"), (14, "vip"), (15, "high_roller"), (29, "high_roller"), (30, "whale"),
     (10_000, "whale")],
)  # fmt: skip
def test_scans_of_a_quarter_earn_a_tier(scans: int, tier: str) -> None:
    assert tiers.quarter_tier(scans) == tier


@pytest.mark.parametrize("quarter", list(Tier))
@pytest.mark.parametrize("permanent", list(Tier))
def test_the_better_tier_counts(quarter: Tier, permanent: Tier) -> None:
    both = tiers.effective(quarter, permanent)
    assert both in (quarter, permanent)
    assert both.at_least(quarter)
    assert both.at_least(permanent)


@pytest.mark.parametrize(
    ("moment", "quarter"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-Q1"),
        (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), "2026-Q1"),
        (datetime(2026, 4, 1, tzinfo=UTC), "2026-Q2"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026-Q4"),
        (datetime(2026, 12, 31, 20, 0, tzinfo=timezone(timedelta(hours=-5))), "2027-Q1"),
    ],
)
def test_quarters_are_utc_calendar_quarters(moment: datetime, quarter: str) -> None:
    assert tiers.quarter_of(moment) == quarter


def test_progress_names_the_next_tier_and_nothing_above_a_whale() -> None:
    shown = tiers.progress(18, Tier.HIGH_ROLLER, "2026-Q1")
    assert (shown.next_tier, shown.next_tier_threshold, shown.quarter_label) == (Tier.WHALE, 30, "Q1 2026")
    top = tiers.progress(31, Tier.WHALE, "2026-Q1")
    assert (top.next_tier, top.next_tier_threshold) == (None, None)


@pytest.mark.parametrize(
    ("number", "tier", "shown"),
    [(1, Tier.STANDARD, "BJ-0001-ST"), (42, Tier.VIP, "BJ-0042-VIP"), (100, Tier.HIGH_ROLLER, "BJ-0100-HR"),
     (7, Tier.WHALE, "BJ-0007-WH"), (123_456, Tier.WHALE, "BJ-123456-WH")],
)  # fmt: skip
def test_member_ids(number: int, tier: Tier, shown: str) -> None:
    assert tiers.member_id(number, tier) == shown


@pytest.mark.parametrize(
    ("quarter", "begins", "ends"),
    [
        ("2026-Q1", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-Q3", datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-Q4", datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_quarter_ends_when_the_next_one_begins(quarter: str, begins: datetime, ends: datetime) -> None:
    assert (tiers.quarter_starts_at(quarter), tiers.quarter_ends_at(quarter)) == (begins, ends)
    assert tiers.quarter_of(begins) == quarter
    assert tiers.quarter_of(ends - timedelta(microseconds=1)) == quarter
    assert tiers.quarter_of(ends) != quarter


@pytest.mark.parametrize(
    ("count", "current", "next_tier", "remaining", "percent"),
    [
        (0, Tier.STANDARD, Tier.VIP, 7, 0),
        (6, Tier.STANDARD, Tier.VIP, 1, 85),
        (7, Tier.VIP, Tier.HIGH_ROLLER, 8, 46),
        (0, Tier.HIGH_ROLLER, Tier.WHALE, 30, 0),  # a permanent tier, or one that an admin has set
        (29, Tier.HIGH_ROLLER, Tier.WHALE, 1, 96),
        (30, Tier.HIGH_ROLLER, Tier.WHALE, 0, 99),  # the threshold was lowered: the next scan raises the tier
        (-4, Tier.STANDARD, Tier.VIP, 7, 0),
        (0, Tier.WHALE, None, 0, 100),
    ],
)
def test_the_way_to_the_next_tier(
    count: int, current: Tier, next_tier: Tier | None, remaining: int, percent: int
) -> None:
    way = tiers.step(count, current, tiers.DEFAULT_THRESHOLDS)
    assert (way.next_tier, way.remaining, way.percent) == (next_tier, remaining, percent)


@pytest.mark.parametrize(("tins", "tier"), [(-1, "standard"), (0, "standard"), (209, "standard"), (210, "vip")])
def test_a_downline_may_have_sent_back_more_than_is_known(tins: int, tier: str) -> None:
    thresholds = {Tier.STANDARD: 0, Tier.VIP: 210, Tier.HIGH_ROLLER: 2_100, Tier.WHALE: 21_000}
    assert tiers.downline_tier(tins, thresholds) == tier
