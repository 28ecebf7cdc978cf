"""Counts what a change of a setting would do to what there is now, before anybody changes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.db import Tx
from shared.values import tiers
from shared.values.fields import Reply
from shared.values.money import Usdt
from shared.values.weeks import last_sunday

WEEKS_LOOKED_AT = 4


class SettingEffect(Reply):
    """A number of things that the change concerns, and in which way."""

    what: str
    count: int


@dataclass(frozen=True)
class Moved:
    """How many members have one tier by the old thresholds and another one by the new ones."""

    before: str
    after: str
    members: int


def of_change(tx: Tx, name: str, value: Any, now: datetime) -> list[SettingEffect]:
    """Count what would change; empty for settings whose effect is in what happens from then on."""
    counted = COUNTED.get(name)
    return counted(tx, value, now) if counted else []


def _tiers(tx: Tx, value: Any, now: datetime) -> list[SettingEffect]:
    moved = tx.all(
        Moved,
        """
        SELECT old.tier AS before, new.tier AS after, count(*) AS members
        FROM member_quarters q
        CROSS JOIN (SELECT value FROM settings WHERE name = 'tier_thresholds') s
        CROSS JOIN LATERAL (SELECT CASE WHEN q.scans >= CAST(s.value ->> 'whale' AS int) THEN 'whale'
                                        WHEN q.scans >= CAST(s.value ->> 'high_roller' AS int) THEN 'high_roller'
                                        WHEN q.scans >= CAST(s.value ->> 'vip' AS int) THEN 'vip'
                                        ELSE 'standard' END AS tier) old
        CROSS JOIN LATERAL (SELECT CASE WHEN q.scans >= :whale THEN 'whale'
                                        WHEN q.scans >= :high_roller THEN 'high_roller'
                                        WHEN q.scans >= :vip THEN 'vip'
                                        ELSE 'standard' END AS tier) new
        WHERE q.quarter = :quarter AND old.tier <> new.tier
        GROUP BY old.tier, new.tier ORDER BY old.tier, new.tier
        """,
        quarter=tiers.quarter_of(now),
        vip=value["vip"],
        high_roller=value["high_roller"],
        whale=value["whale"],
    )
    return [SettingEffect(what=f"members from {row.before} to {row.after}", count=row.members) for row in moved]


def _limits(tx: Tx, value: Any, now: datetime) -> list[SettingEffect]:
    del now
    found = []
    for treasury, limits in value.items():
        count = tx.scalar(
            int,
            """
            SELECT count(*) FROM payouts
            WHERE treasury = :treasury AND state = 'HELD' AND hold_reason = 'limit' AND amount <= :single
            """,
            treasury=treasury,
            single=Usdt.of(str(limits["single"])).micro,
        )
        found.append(SettingEffect(what=f"held payouts of {treasury} within the single limit", count=count))
    return found


def _chips(tx: Tx, value: Any, now: datetime) -> list[SettingEffect]:
    count = tx.scalar(
        int,
        """
        SELECT count(DISTINCT affiliate_id) FROM affiliate_week_shares
        WHERE week_on >= :since AND chips > :chips_max
        """,
        since=last_sunday(now) - timedelta(weeks=WEEKS_LOOKED_AT),
        chips_max=value["chips_max"],
    )
    return [SettingEffect(what="affiliates above the new cap in the last four weeks", count=count)]


COUNTED: Mapping[str, Callable[[Tx, Any, datetime], list[SettingEffect]]] = {
    "tier_thresholds": _tiers,
    "payout_limits": _limits,
    "affiliate_week": _chips,
}
