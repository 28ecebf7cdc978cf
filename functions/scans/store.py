"""The statements of a group of scans, in the order of their locks: codes, members, the global counter."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from functions.scans.values import Code, MemberScans
from shared.comps import award_inputs
from shared.comps.award_inputs import Inputs
from shared.db import Tx
from shared.values.money import Usdt
from shared.values.tiers import Tier
from shared.web.paging import Position

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Numbered:
    """The first number that a group took, and the inputs that hold for it and later numbers."""

    first: int
    revisions: Sequence[Inputs]

    def inputs(self, number: int) -> Inputs:
        """The inputs that hold for a number of the group."""
        found = award_inputs.ruling(self.revisions, number)
        assert found, "the first revision is older than every number"
        return found


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
class _Counter:
    value: int
    revision: int
    lineage: str


@dataclass(frozen=True)
class _Own:
    code_mac: bytes
    id: UUID


def lock(tx: Tx, macs: Collection[bytes], members: Collection[UUID]) -> None:
    """Lock the codes and members until the commit; sorted, so that two groups cannot deadlock."""
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
    """The codes that exist, by their MAC."""
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


def standings(tx: Tx, members: Collection[UUID], quarter: str, now: datetime) -> dict[UUID, MemberScans]:
    """The members before the group's scans, by their ids."""
    rows = tx.all(
        MemberScans,
        """
        SELECT t.member_id, m.referred_by_id,
               recent.last_hour, recent.last_minute, recent.moments,
               t.lifetime_comps, t.comps_paid, coalesce(b.earned, 0) + late.chips AS gold_chips,
               coalesce(q.scans, 0) AS quarter_scans, coalesce(q.tier, 'standard') AS quarter_tier,
               m.permanent_tier, t.located_at, t.latitude, t.longitude,
               EXISTS (SELECT FROM honey_trials h WHERE h.member_id = t.member_id
                       AND h.happened_at > CAST(:now AS timestamptz) - interval '30 days') AS tried_honey
        FROM member_totals t
        JOIN members m ON m.id = t.member_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS last_hour, count(*) FILTER (WHERE at > :minute_ago) AS last_minute,
                   coalesce(string_agg(CAST(CAST(extract(epoch FROM at) * 1000000 AS bigint) AS text), ' ' ORDER BY at),
                            '') AS moments
            FROM unnest(t.recent_scans) AS at WHERE at > :hour_ago) AS recent
        LEFT JOIN member_quarters q ON q.member_id = t.member_id AND q.quarter = :quarter
        LEFT JOIN chip_balances b ON b.affiliate_id = t.member_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(change), 0) AS chips FROM late_counts WHERE member_id = t.member_id AND kind = 'chips'
        ) AS late
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
    """The wrong codes of each subject within the clock hour; subjects without any are left out."""
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
    """The scans that spent these codes, by MAC."""
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
    """Take the next numbers of the global count. The counter is locked from here to the commit: keep it short. Only
    this lock keeps two scans from the same number, since `scans` has no unique constraint on it.

    The statement that waits for the counter reads only its row, because the statement's snapshot is as old as the wait.
    """
    counter = tx.one(
        _Counter,
        "UPDATE scan_counter SET value = value + :count WHERE only_row RETURNING value, revision, lineage",
        count=count,
    )
    first = counter.value - count + 1
    return Numbered(first, award_inputs.from_number(tx, first, counter.revision, counter.lineage))


def trips_before(tx: Tx, number: int, now: datetime) -> int:
    """The trips that count against this calendar month for a number; the caller holds the counter's lock."""
    return tx.scalar(
        int,
        """
        SELECT count(*) AS count FROM trip_places
        WHERE month = date_trunc('month', CAST(:now AS timestamptz) AT TIME ZONE 'UTC')
          AND from_number <= :number AND (freed_number IS NULL OR freed_number > :number)
        """,
        number=number,
        now=now,
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
