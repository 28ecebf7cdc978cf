"""Writes what scans change: statements that are sent together and awaited at the commit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.scans.fraud import Flag
from functions.scans.rules import Decision
from functions.scans.values import Tally
from shared.db import Tx
from shared.values.money import Usdt
from shared.values.tiers import Tier


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
    flags: list[str]
    processing_ms: int


def count_wrong_codes(tx: Tx, wrong: Mapping[str, int], now: datetime) -> None:
    """Add to the wrong codes of each subject; sorted, so that two such statements cannot deadlock."""
    tx.run_later(
        """
        INSERT INTO attempt_counters AS counter (subject, hour, attempts)
        SELECT subject, date_trunc('hour', CAST(:now AS timestamptz)), attempts
        FROM unnest(CAST(:subjects AS text[]), CAST(:attempts AS integer[])) AS wrong (subject, attempts)
        ORDER BY subject
        ON CONFLICT (subject, hour) DO UPDATE SET attempts = counter.attempts + excluded.attempts
        """,
        subjects=list(wrong),
        attempts=list(wrong.values()),
        now=now,
    )


def note_trial(
    tx: Tx, mac: bytes, member_id: UUID, device_id: str | None, ip_address: str | None, now: datetime
) -> None:
    """Record a try of a honey code, or of a code that another member has spent; does nothing for an unknown code.

    The same statement runs for all of them and is not awaited, so the response time tells nothing.
    """
    tx.run_later(
        """
        WITH tried AS (
            SELECT c.mac, c.batch_id, c.scanned_by, b.honey FROM codes c JOIN code_batches b ON b.id = c.batch_id
            WHERE c.mac = :mac
        ), trial AS (
            INSERT INTO honey_trials (batch_id, member_id, device_id, ip_address, happened_at)
            SELECT batch_id, :member_id, CAST(:device_id AS text), CAST(:ip_address AS inet), :now
            FROM tried WHERE honey
        )
        INSERT INTO code_retries (code_mac, member_id, device_id, happened_at)
        SELECT mac, :member_id, coalesce(CAST(:device_id AS text), ''), :now FROM tried WHERE scanned_by <> :member_id
        ON CONFLICT DO NOTHING
        """,
        mac=mac,
        member_id=member_id,
        device_id=device_id,
        ip_address=ip_address,
        now=now,
    )


def flag_retried(tx: Tx, mac: bytes, retries_min: int, flag: Flag, now: datetime) -> None:
    """Flag the scan that spent a code, once that many other members have tried it."""
    tx.run_later(
        """
        INSERT INTO flagged_scans (scan_id, scanned_at, scan_number, member_id, flags, flagged_at)
        SELECT s.id, s.scanned_at, s.number, s.member_id, ARRAY[CAST(:flag AS text)], :now
        FROM codes c JOIN scans s ON s.scanned_at = c.scanned_at AND s.code_mac = c.mac
        WHERE c.mac = :mac AND (SELECT count(*) FROM code_retries r WHERE r.code_mac = :mac) >= :retries_min
        ON CONFLICT (scan_id) DO NOTHING
        """,
        mac=mac,
        retries_min=retries_min,
        flag=flag,
        now=now,
    )


def spend(tx: Tx, spent: Mapping[bytes, UUID], now: datetime) -> None:
    """Mark the codes as scanned by these members."""
    tx.run_later(
        """
        UPDATE codes SET status = 'scanned', scanned_by = spent.member_id, scanned_at = :now
        FROM unnest(CAST(:macs AS bytea[]), CAST(:members AS uuid[])) AS spent (mac, member_id)
        WHERE codes.mac = spent.mac
        """,
        macs=list(spent),
        members=list(spent.values()),
        now=now,
    )


def add_up(tx: Tx, tallies: Sequence[Tally], quarter: str, hour_ago: datetime, now: datetime) -> None:
    """Add the scans to the members' totals and to their quarter."""
    rows = json.dumps(
        [
            {"member_id": str(t.member_id), "scans": t.scans, "latitude": t.latitude, "longitude": t.longitude}
            for t in tallies
        ]
    )
    tx.run_later(
        """
        UPDATE member_totals t
        SET scans = t.scans + more.scans,
            recent_scans = ARRAY(SELECT at FROM unnest(t.recent_scans) AS at WHERE at > :hour_ago)
                           || array_fill(CAST(:now AS timestamptz), ARRAY[more.scans]),
            located_at = CASE WHEN more.latitude IS NULL THEN t.located_at ELSE CAST(:now AS timestamptz) END,
            latitude = coalesce(more.latitude, t.latitude),
            longitude = coalesce(more.longitude, t.longitude)
        FROM jsonb_to_recordset(CAST(:rows AS jsonb))
             AS more (member_id uuid, scans integer, latitude double precision, longitude double precision)
        WHERE t.member_id = more.member_id
        """,
        rows=rows,
        hour_ago=hour_ago,
        now=now,
    )
    tx.run_later(
        """
        INSERT INTO member_quarters AS kept (member_id, quarter, scans, tier)
        SELECT member_id, :quarter, scans, 'standard'
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS more (member_id uuid, scans integer)
        ON CONFLICT (member_id, quarter) DO UPDATE SET scans = kept.scans + excluded.scans
        """,
        rows=rows,
        quarter=quarter,
    )


def raise_tiers(tx: Tx, earned: Mapping[UUID, Tier], quarter: str) -> None:
    """Raise the quarter's tiers that members have reached; none is lowered here. `add_up` has locked the rows."""
    tx.run_later(
        """
        UPDATE member_quarters q SET tier = greatest(q.tier, risen.tier)
        FROM unnest(CAST(:members AS uuid[]), CAST(:tiers AS tier[])) AS risen (member_id, tier)
        WHERE q.member_id = risen.member_id AND q.quarter = :quarter
        """,
        members=list(earned),
        tiers=[tier.value for tier in earned.values()],
        quarter=quarter,
    )


def insert_scans(tx: Tx, scans: Sequence[Scan]) -> None:
    """Insert the scans themselves."""
    rows = [
        {
            **vars(scan),
            "id": str(scan.id),
            "member_id": str(scan.member_id),
            "code_mac": f"\\x{scan.code_mac.hex()}",
            "scanned_at": scan.scanned_at.isoformat(),
            "device_time": scan.device_time.isoformat() if scan.device_time else None,
            "usdt_earned": scan.usdt_earned.micro,
        }
        for scan in scans
    ]
    tx.run_later(
        """
        INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, latitude, longitude,
                           device_time, device_id, ip_address, tier, quarter, quarter_scans, usdt_earned, flags,
                           processing_ms)
        SELECT id, number, member_id, code_mac, product_sku, scanned_at, method, latitude, longitude,
               device_time, device_id, ip_address, tier, quarter, quarter_scans, usdt_earned, flags, processing_ms
        FROM jsonb_populate_recordset(CAST(NULL AS scans), CAST(:rows AS jsonb))
        """,
        rows=json.dumps(rows),
    )


def insert_chips(tx: Tx, affiliates: Mapping[int, UUID], now: datetime) -> None:
    """Insert a chip for each scan (by its number) of a member whom an affiliate referred.

    The scans that wait for the counter must not wait for a locked balance: if it is locked, the addition is stored in
    late_counts; the view chip_counts adds both.
    """
    tx.run_later(
        """
        INSERT INTO affiliate_chips (id, affiliate_id, kind, chips, scan_number, earned_at)
        SELECT gen_random_uuid(), affiliate_id, 'referral_scan', 1, number, :now
        FROM unnest(CAST(:numbers AS bigint[]), CAST(:affiliates AS uuid[])) AS earned (number, affiliate_id)
        """,
        numbers=list(affiliates),
        affiliates=list(affiliates.values()),
        now=now,
    )
    tx.run_later(
        """
        WITH more AS (
            SELECT affiliate_id, CAST(count(*) AS integer) AS chips
            FROM unnest(CAST(:affiliates AS uuid[])) AS affiliate_id GROUP BY affiliate_id
        ), free AS (
            SELECT affiliate_id FROM chip_balances WHERE affiliate_id IN (SELECT affiliate_id FROM more)
            FOR NO KEY UPDATE SKIP LOCKED
        ), late AS (
            DELETE FROM late_counts WHERE kind = 'chips' AND member_id IN (SELECT affiliate_id FROM free)
            RETURNING member_id, change
        ), added AS (
            UPDATE chip_balances kept
            SET earned = earned + more.chips
                       + (SELECT coalesce(sum(change), 0) FROM late WHERE late.member_id = kept.affiliate_id)
            FROM more JOIN free USING (affiliate_id) WHERE kept.affiliate_id = more.affiliate_id
        ), opened AS (
            INSERT INTO chip_balances AS kept (affiliate_id, earned)
            SELECT affiliate_id, chips FROM more
            WHERE NOT EXISTS (SELECT FROM chip_balances b WHERE b.affiliate_id = more.affiliate_id)
            ON CONFLICT (affiliate_id) DO UPDATE SET earned = kept.earned + excluded.earned
        )
        INSERT INTO late_counts (kind, member_id, change)
        SELECT 'chips', affiliate_id, chips FROM more JOIN chip_balances USING (affiliate_id)
        WHERE NOT EXISTS (SELECT FROM free WHERE free.affiliate_id = more.affiliate_id)
        """,
        affiliates=list(affiliates.values()),
    )


def insert_flagged(tx: Tx, scan: Scan, details: Mapping[Flag, Mapping[str, object]], now: datetime) -> None:
    """Flag this scan for a review by people."""
    tx.run_later(
        """
        INSERT INTO flagged_scans (scan_id, scanned_at, scan_number, member_id, flags, details, flagged_at)
        VALUES (:id, :scanned_at, :number, :member_id, CAST(:flags AS text[]), :details, :now)
        """,
        id=scan.id,
        scanned_at=scan.scanned_at,
        number=scan.number,
        member_id=scan.member_id,
        flags=scan.flags,
        details=dict(details),
        now=now,
    )


def insert_milestone(tx: Tx, scan: Scan, decision: Decision, tins_per_month: int, comp_id: UUID | None) -> None:
    """Record the decision about one prize for this scan's number."""
    tx.run_later(
        """
        INSERT INTO milestones (scan_number, type, member_id, tier, tins_per_month, awarded, reason, code, params,
                                comp_id, reached_at)
        VALUES (:number, :type, :member_id, :tier, :tins_per_month, :awarded, :reason, :code, :params, :comp_id,
                :scanned_at)
        """,
        number=scan.number,
        type=decision.rule.type,
        member_id=scan.member_id,
        tier=scan.tier,
        tins_per_month=tins_per_month,
        awarded=decision.awarded,
        reason=decision.why.text,
        code=decision.why.code,
        params=dict(decision.why.params),
        comp_id=comp_id,
        scanned_at=scan.scanned_at,
    )
