"""The statements of a scan, in the order of their locks: code, member, global counter."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.scans.rules import Decision, Rule, UnlockState
from shared.db import Tx
from shared.money import Usdt
from shared.paging import Position
from shared.prizes import CompType
from shared.tiers import Tier


@dataclass(frozen=True)
class Claimed:
    """The tin whose code was claimed."""

    product_sku: str
    product_name: str


@dataclass(frozen=True)
class Counted:
    """A member with this scan counted: in the last hour, in the quarter (and the tier stored so far), in total."""

    last_hour: int
    quarter_scans: int
    quarter_tier: Tier
    lifetime_comps: Usdt
    comps_paid: Usdt
    gold_chips: int


@dataclass(frozen=True)
class Numbered:
    """The scan's number in the global count, and what the awards depend on."""

    number: int
    rules: list[dict[str, Any]]
    tins_per_month: int
    trips_this_month: int

    def candidates(self) -> list[Rule]:
        """The rules whose interval divides the number."""
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

    def unlock(self) -> UnlockState:
        """The unlock state at this moment."""
        return UnlockState(self.tins_per_month, self.trips_this_month)


@dataclass(frozen=True)
class Scan:
    """A scan as it is stored."""

    id: UUID
    number: int
    member_id: UUID
    code_mac: bytes
    product_sku: str
    scanned_at: datetime
    method: str
    latitude: float | None
    longitude: float | None
    device_time: datetime | None
    device_id: str | None
    ip_address: str | None
    tier: Tier
    quarter: str
    quarter_scans: int
    usdt_earned: Usdt


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
class _Count:
    count: int


@dataclass(frozen=True)
class _Id:
    id: UUID


def claim(tx: Tx, mac: bytes, member_id: UUID, subjects: list[str], wrong_max: int, now: datetime) -> Claimed | None:
    """Spend the code: the row lock decides who is first. None for a code that cannot be spent, or a guesser."""
    return tx.first(
        Claimed,
        """
        UPDATE codes SET status = 'scanned', scanned_by = :member_id, scanned_at = :now
        FROM code_batches b JOIN products p ON p.sku = b.product_sku
        WHERE codes.mac = :mac AND codes.status = 'manufactured'
          AND b.id = codes.batch_id AND b.status <> 'recalled'
          AND NOT EXISTS (
              SELECT FROM attempt_counters
              WHERE subject = ANY(CAST(:subjects AS text[])) AND hour = date_trunc('hour', CAST(:now AS timestamptz))
                AND attempts >= :wrong_max)
        RETURNING p.sku AS product_sku, p.name AS product_name
        """,
        mac=mac,
        member_id=member_id,
        subjects=subjects,
        wrong_max=wrong_max,
        now=now,
    )


def own_earlier_scan(tx: Tx, mac: bytes, member_id: UUID) -> UUID | None:
    """The member's own scan of that code."""
    found = tx.first(
        _Id,
        """
        SELECT s.id FROM codes c JOIN scans s ON s.scanned_at = c.scanned_at AND s.code_mac = c.mac
        WHERE c.mac = :mac AND c.scanned_by = :member_id
        """,
        mac=mac,
        member_id=member_id,
    )
    return found.id if found else None


def wrong_codes(tx: Tx, subjects: list[str], now: datetime) -> int:
    """The most that any of the subjects got wrong within the clock hour."""
    return tx.one(
        _Count,
        """
        SELECT coalesce(max(attempts), 0) AS count FROM attempt_counters
        WHERE subject = ANY(CAST(:subjects AS text[])) AND hour = date_trunc('hour', CAST(:now AS timestamptz))
        """,
        subjects=subjects,
        now=now,
    ).count


def count_wrong_code(tx: Tx, subjects: list[str], now: datetime) -> None:
    """One more wrong code of each subject; in sorted order, so that two of them never wait for each other."""
    tx.run_later(
        """
        INSERT INTO attempt_counters AS counter (subject, hour, attempts)
        SELECT subject, date_trunc('hour', CAST(:now AS timestamptz)), 1
        FROM unnest(CAST(:subjects AS text[])) AS subject ORDER BY subject
        ON CONFLICT (subject, hour) DO UPDATE SET attempts = counter.attempts + 1
        """,
        subjects=subjects,
        now=now,
    )


def count(tx: Tx, member_id: UUID, quarter: str, hour_ago: datetime, now: datetime) -> Counted:
    """One more scan of the member, whose other scans wait here until this one is done."""
    return tx.one(
        Counted,
        """
        WITH totals AS (
            UPDATE member_totals
            SET scans = scans + 1,
                recent_scans = ARRAY(SELECT at FROM unnest(recent_scans) AS at WHERE at > :hour_ago)
                               || CAST(:now AS timestamptz)
            WHERE member_id = :member_id
            RETURNING recent_scans, lifetime_comps, comps_paid
        ), counted AS (
            INSERT INTO member_quarters AS kept (member_id, quarter, scans, tier)
            VALUES (:member_id, :quarter, 1, 'standard')
            ON CONFLICT (member_id, quarter) DO UPDATE SET scans = kept.scans + 1
            RETURNING scans, tier
        )
        SELECT cardinality(totals.recent_scans) AS last_hour, counted.scans AS quarter_scans,
               counted.tier AS quarter_tier, totals.lifetime_comps, totals.comps_paid,
               coalesce((SELECT earned FROM chip_balances WHERE affiliate_id = :member_id), 0) AS gold_chips
        FROM totals, counted
        """,
        member_id=member_id,
        quarter=quarter,
        hour_ago=hour_ago,
        now=now,
    )


def raise_tier(tx: Tx, member_id: UUID, quarter: str, scans: int, tier: Tier, now: datetime) -> None:
    """The quarter's scans have earned a higher tier."""
    tx.run_later(
        "UPDATE member_quarters SET tier = :tier WHERE member_id = :member_id AND quarter = :quarter",
        tier=tier,
        member_id=member_id,
        quarter=quarter,
    )
    tx.run_later(
        """
        INSERT INTO tier_history (member_id, quarter, tier, scan_count, achieved_at, expires_at)
        VALUES (:member_id, :quarter, :tier, :scans, :now,
                date_trunc('quarter', CAST(:now AS timestamptz)) + interval '3 months')
        """,
        member_id=member_id,
        quarter=quarter,
        tier=tier,
        scans=scans,
        now=now,
    )


def next_number(tx: Tx, now: datetime) -> Numbered:
    """Take the next number of the global count. The counter is locked from here to the commit: keep it short."""
    return tx.one(
        Numbered,
        """
        WITH counted AS (UPDATE scan_counter SET value = value + 1 WHERE only_row RETURNING value)
        SELECT counted.value AS number,
               (SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM comp_rules r
                WHERE r.enabled AND r.interval IS NOT NULL AND counted.value % r.interval = 0) AS rules,
               v.tins_per_month,
               CASE WHEN EXISTS (SELECT FROM comp_rules r WHERE r.type = 'trip' AND counted.value % r.interval = 0)
                    THEN (SELECT count(*) FROM comps WHERE type = 'trip' AND status <> 'cancelled'
                          AND awarded_at >= date_trunc('month', CAST(:now AS timestamptz)))
                    ELSE 0 END AS trips_this_month
        FROM counted, sales_volume v WHERE v.only_row
        """,
        now=now,
    )


def insert_scan(tx: Tx, scan: Scan) -> None:
    """The fact."""
    tx.run_later(
        """
        INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, latitude, longitude,
                           device_time, device_id, ip_address, tier, quarter, quarter_scans, usdt_earned)
        VALUES (:id, :number, :member_id, :code_mac, :product_sku, :scanned_at, :method, :latitude, :longitude,
                :device_time, :device_id, :ip_address, :tier, :quarter, :quarter_scans, :usdt_earned)
        """,
        **vars(scan),
    )


def insert_milestone(tx: Tx, scan: Scan, decision: Decision, tins_per_month: int, comp_id: UUID | None) -> None:
    """What became of one prize of this scan's number."""
    tx.run_later(
        """
        INSERT INTO milestones (scan_number, type, member_id, tier, tins_per_month, awarded, reason, comp_id,
                                reached_at)
        VALUES (:number, :type, :member_id, :tier, :tins_per_month, :awarded, :reason, :comp_id, :scanned_at)
        """,
        number=scan.number,
        type=decision.rule.type,
        member_id=scan.member_id,
        tier=scan.tier,
        tins_per_month=tins_per_month,
        awarded=decision.awarded,
        reason=decision.reason,
        comp_id=comp_id,
        scanned_at=scan.scanned_at,
    )


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
