"""The statements of scans that are done together, in the order of their locks: codes, members, the global counter."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from functions.scans.rules import Rule
from shared.db import Tx
from shared.money import Usdt
from shared.paging import Position
from shared.prizes import CompType
from shared.tiers import Tier

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Code:
    """A code that exists. `spendable`: manufactured, of a batch that is neither recalled nor honey."""

    mac: bytes
    batch_id: UUID
    product_sku: str
    product_name: str
    spendable: bool
    honey: bool
    scanned_by: UUID | None


@dataclass(frozen=True)
class Standing:
    """A member before the scans of a group: scans of the last hour and minute, of the quarter, the last place."""

    member_id: UUID
    referred_by_id: UUID | None
    last_hour: int
    last_minute: int
    lifetime_comps: Usdt
    comps_paid: Usdt
    gold_chips: int
    quarter_scans: int
    quarter_tier: Tier
    located_at: datetime | None
    latitude: float | None
    longitude: float | None
    tried_honey: bool


@dataclass(frozen=True)
class Numbered:
    """The last number a group took, the rules in force, and the tins per month that unlock them."""

    last: int
    rules: list[dict[str, Any]]
    tins_per_month: int

    @cached_property
    def prizes(self) -> list[Rule]:
        """The rules of the global count."""
        return [
            Rule(
                type=CompType(rule["type"]),
                interval=rule["interval"],
                tier=Tier(rule["tier"]),
                amount=Usdt(rule["amount"]),
                unlock_volume=rule["unlock_volume"],
                unlocked_by_admin=rule["unlocked_by_admin"],
            )
            for rule in self.rules
        ]


@dataclass(frozen=True)
class Recent:
    """A scan as its member sees it."""

    id: UUID
    number: int
    product_name: str
    scanned_at: datetime
    method: str
    tier: Tier
    usdt_earned: Usdt


@dataclass(frozen=True)
class Attempts:
    """Wrong codes of a subject within the clock hour."""

    subject: str
    attempts: int


@dataclass(frozen=True)
class _Count:
    count: int


@dataclass(frozen=True)
class _Own:
    code_mac: bytes
    id: UUID


def lock(tx: Tx, macs: Collection[bytes], members: Collection[UUID]) -> None:
    """From here to the commit nobody else spends these codes or scans for these members; sorted, so never in a ring."""
    tx.run_later(
        "SELECT 1 FROM codes WHERE mac = ANY(CAST(:macs AS bytea[])) ORDER BY mac FOR NO KEY UPDATE", macs=list(macs)
    )
    tx.run_later(
        """
        SELECT 1 FROM member_totals WHERE member_id = ANY(CAST(:members AS uuid[]))
        ORDER BY member_id FOR NO KEY UPDATE
        """,
        members=list(members),
    )


def codes(tx: Tx, macs: Collection[bytes]) -> dict[bytes, Code]:
    """Those that exist, by their macs."""
    rows = tx.all(
        Code,
        """
        SELECT c.mac, c.batch_id, p.sku AS product_sku, p.name AS product_name,
               c.status = 'manufactured' AND b.status <> 'recalled' AND NOT b.honey AS spendable, b.honey,
               c.scanned_by
        FROM codes c JOIN code_batches b ON b.id = c.batch_id JOIN products p ON p.sku = b.product_sku
        WHERE c.mac = ANY(CAST(:macs AS bytea[]))
        """,
        macs=list(macs),
    )
    return {row.mac: row for row in rows}


def standings(tx: Tx, members: Collection[UUID], quarter: str, now: datetime) -> dict[UUID, Standing]:
    """Where the members stand, by their ids."""
    rows = tx.all(
        Standing,
        """
        SELECT t.member_id, m.referred_by_id,
               recent.last_hour, recent.last_minute,
               t.lifetime_comps, t.comps_paid, coalesce(b.earned, 0) AS gold_chips,
               coalesce(q.scans, 0) AS quarter_scans, coalesce(q.tier, 'standard') AS quarter_tier,
               t.located_at, t.latitude, t.longitude,
               EXISTS (SELECT FROM honey_trials h WHERE h.member_id = t.member_id
                       AND h.happened_at > CAST(:now AS timestamptz) - interval '30 days') AS tried_honey
        FROM member_totals t
        JOIN members m ON m.id = t.member_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS last_hour, count(*) FILTER (WHERE at > :minute_ago) AS last_minute
            FROM unnest(t.recent_scans) AS at WHERE at > :hour_ago) AS recent
        LEFT JOIN member_quarters q ON q.member_id = t.member_id AND q.quarter = :quarter
        LEFT JOIN chip_balances b ON b.affiliate_id = t.member_id
        WHERE t.member_id = ANY(CAST(:members AS uuid[]))
        """,
        members=list(members),
        quarter=quarter,
        hour_ago=now - HOUR,
        minute_ago=now - MINUTE,
        now=now,
    )
    return {row.member_id: row for row in rows}


def wrong_codes(tx: Tx, subjects: Collection[str], now: datetime) -> dict[str, int]:
    """How many each of the subjects got wrong within the clock hour; those without are left out."""
    rows = tx.all(
        Attempts,
        """
        SELECT subject, attempts FROM attempt_counters
        WHERE subject = ANY(CAST(:subjects AS text[])) AND hour = date_trunc('hour', CAST(:now AS timestamptz))
        """,
        subjects=list(subjects),
        now=now,
    )
    return {row.subject: row.attempts for row in rows}


def own_scans(tx: Tx, macs: Collection[bytes]) -> dict[bytes, UUID]:
    """The scans that spent these codes."""
    rows = tx.all(
        _Own,
        """
        SELECT s.code_mac, s.id FROM codes c JOIN scans s ON s.scanned_at = c.scanned_at AND s.code_mac = c.mac
        WHERE c.mac = ANY(CAST(:macs AS bytea[]))
        """,
        macs=list(macs),
    )
    return {row.code_mac: row.id for row in rows}


def take_numbers(tx: Tx, count: int) -> Numbered:
    """Take the next numbers of the global count. The counter is locked from here to the commit: keep it short."""
    return tx.one(
        Numbered,
        """
        WITH counted AS (UPDATE scan_counter SET value = value + :count WHERE only_row RETURNING value)
        SELECT counted.value AS last,
               (SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM comp_rules r
                WHERE r.enabled AND r.interval IS NOT NULL) AS rules,
               v.tins_per_month
        FROM counted, sales_volume v WHERE v.only_row
        """,
        count=count,
    )


def trips_this_month(tx: Tx, now: datetime) -> int:
    """Trips awarded in this calendar month and not taken back."""
    return tx.one(
        _Count,
        """
        SELECT count(*) AS count FROM comps
        WHERE type = 'trip' AND status <> 'cancelled' AND awarded_at >= date_trunc('month', CAST(:now AS timestamptz))
        """,
        now=now,
    ).count


def recent(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Recent]:
    """The member's scans, newest first."""
    return tx.all(
        Recent,
        """
        SELECT s.id, s.number, p.name AS product_name, s.scanned_at, s.method, s.tier, s.usdt_earned
        FROM scans s JOIN products p ON p.sku = s.product_sku
        WHERE s.member_id = :member_id
          AND (CAST(:at AS timestamptz) IS NULL OR (s.scanned_at, s.id) < (:at, CAST(:id AS uuid)))
        ORDER BY s.scanned_at DESC, s.id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
