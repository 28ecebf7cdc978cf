"""Rows that treasury admins read; those that are shown as they are, are replies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.payouts.states import PayoutState
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.web.paging import Position

TRAIL_MAX = 500  # of each kind: a payout has a dozen, one that is traced over days a few hundred


@dataclass(frozen=True)
class Filter:
    """Conditions for payouts; None means no condition."""

    states: Sequence[str]
    pool: str | None = None
    source_kind: str | None = None
    hold_reason: str | None = None
    payout_id: UUID | None = None


@dataclass(frozen=True)
class Payout:
    """A payout with its approvals, and with the request behind a manual one."""

    id: UUID
    pool: str
    source_kind: str
    source_id: str
    member_id: UUID | None
    to_address: str
    amount: Usdt
    state: str
    hold_reason: str | None
    approvals_given: int
    approvals_needed: int
    requested_at: datetime
    state_at: datetime
    paid_at: datetime | None
    transaction_hash: str | None
    reason: str | None
    requested_by: UUID | None
    requested_by_username: str | None
    cancelled_by_username: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None


class PolicyRun(Reply):
    """A decision of the payout policy, with its inputs."""

    decided_at: datetime
    policy_version: int
    decision: str
    reason: str | None
    inputs: dict[str, Any]


class ApprovalMade(Reply):
    """An approval: by whom, and for which of the payout's holds."""

    approved_at: datetime
    approver_id: UUID
    approver_username: str
    hold: int
    evidence: dict[str, Any]


class PayoutEvent(Reply):
    """A change of the payout's state, or an exchange with the chain."""

    happened_at: datetime
    kind: str
    nonce: int | None
    transaction_hash: str | None
    detail: dict[str, Any]


class AuditedAction(Reply):
    """An admin's action on the payout, from the audit log."""

    created_at: datetime
    actor_id: UUID | None
    action: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class End:
    """The block in which the payout was paid, and the day on which the chain was found to agree."""

    block_number: int | None
    compared_on: date | None


@dataclass(frozen=True)
class Count:
    """The number and the sum of open payouts of one state."""

    state: str
    payouts: int
    amount: Usdt


class PoolLimits(Reply):
    """The limits under which the policy approves by itself, and their use on this UTC day and in the last sixty
    minutes.
    """

    single: Money
    day: Money
    hour: Money
    used_day: Money
    used_hour: Money


class PoolState(Reply):
    """Whether a treasury is paused, since when and why."""

    pool: str
    paused_at: datetime | None
    pause_reason: str | None


@dataclass(frozen=True)
class Alert:
    """A threshold, and since when the balance is below it."""

    kind: str
    threshold: int
    crossed_at: datetime | None


class Comparison(Reply):
    """A reconciliation. `status` compares exactly, `badge` tolerates ten dollars; `reason` says why all of it is
    pending.
    """

    id: UUID
    day: date | None
    requested_at: datetime
    finished_at: datetime | None
    block_number: int | None
    status: str
    badge: str
    reason: str | None


class ComparedPool(Reply):
    """A treasury as of the block. `difference` is chain less books; `payouts_waiting` have left the treasury but are
    not paid yet.
    """

    pool: str
    status: str
    badge: str
    reason: str | None
    chain_balance: Money
    book_balance: Money | None
    difference: Money | None
    payouts_matched: int | None
    amount_matched: Money | None
    payouts_waiting: int | None
    findings_open: int | None


class Finding(Reply):
    """A difference between the books and the chain."""

    id: UUID
    reconciliation_id: UUID
    pool: str
    kind: str
    payout_id: UUID | None
    transaction_hash: str | None
    counterparty: str | None
    expected: Money
    found: Money
    found_at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    resolution: str | None


def payouts(tx: Tx, wanted: Filter, after: Position | None, limit: int) -> list[Payout]:
    """Payouts after a position, newest first."""
    return tx.all(
        Payout,
        """
        SELECT p.id, p.treasury AS pool, p.source_kind, p.source_id, p.member_id, p.recipient_address AS to_address,
               p.amount, CAST(p.state AS text) AS state, CAST(p.hold_reason AS text) AS hold_reason,
               approvals_that_count(p) AS approvals_given,
               approvals_required(p) AS approvals_needed, p.requested_at, p.state_at, p.paid_at, p.transaction_hash,
               t.reason, t.requested_by, asked.username AS requested_by_username,
               cancelled.username AS cancelled_by_username, t.cancelled_at, t.cancel_reason
        FROM payouts p
        LEFT JOIN manual_transfers t ON t.payout_id = p.id
        LEFT JOIN members asked ON asked.id = t.requested_by
        LEFT JOIN members cancelled ON cancelled.id = t.cancelled_by
        WHERE (CAST(:pool AS text) IS NULL OR p.treasury = :pool)
          AND p.state = ANY(CAST(CAST(:states AS text[]) AS payout_state[]))
          AND (CAST(:source_kind AS text) IS NULL OR p.source_kind = :source_kind)
          AND (CAST(:hold_reason AS text) IS NULL OR CAST(p.hold_reason AS text) = :hold_reason)
          AND (CAST(:payout_id AS uuid) IS NULL OR p.id = :payout_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (p.requested_at, p.id) < (:at, CAST(:id AS uuid)))
        ORDER BY p.requested_at DESC, p.id DESC LIMIT :limit
        """,
        pool=wanted.pool,
        states=list(wanted.states),
        source_kind=wanted.source_kind,
        hold_reason=wanted.hold_reason,
        payout_id=wanted.payout_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def payout(tx: Tx, payout_id: UUID) -> Payout | None:
    found = payouts(tx, Filter(list(PayoutState), payout_id=payout_id), None, 1)
    return found[0] if found else None


def policy_runs(tx: Tx, payout_id: UUID) -> list[PolicyRun]:
    """The policy's decisions about the payout, oldest first."""
    return tx.all(
        PolicyRun,
        """
        SELECT decided_at, policy_version, decision, CAST(reason AS text) AS reason, inputs FROM payout_policy_runs
        WHERE payout_id = :payout_id ORDER BY id LIMIT :limit
        """,
        payout_id=payout_id,
        limit=TRAIL_MAX,
    )


def approvals(tx: Tx, payout_id: UUID) -> list[ApprovalMade]:
    """The approvals of the payout, oldest first."""
    return tx.all(
        ApprovalMade,
        """
        SELECT a.approved_at, a.approver_id, m.username AS approver_username, a.hold, a.evidence
        FROM payout_approvals a JOIN members m ON m.id = a.approver_id
        WHERE a.payout_id = :payout_id ORDER BY a.id LIMIT :limit
        """,
        payout_id=payout_id,
        limit=TRAIL_MAX,
    )


def events(tx: Tx, payout_id: UUID) -> list[PayoutEvent]:
    """The events of the payout, oldest first."""
    return tx.all(
        PayoutEvent,
        """
        SELECT happened_at, kind, nonce, attempt_hash AS transaction_hash, detail FROM payout_events
        WHERE payout_id = :payout_id ORDER BY id LIMIT :limit
        """,
        payout_id=payout_id,
        limit=TRAIL_MAX,
    )


def actions(tx: Tx, payout_id: UUID) -> list[AuditedAction]:
    """The audited actions of admins on the payout, oldest first."""
    return tx.all(
        AuditedAction,
        """
        SELECT created_at, actor_id, action, changes FROM audit_logs
        WHERE resource_type = 'payout' AND resource_id = CAST(:payout_id AS text) ORDER BY id LIMIT :limit
        """,
        payout_id=str(payout_id),
        limit=TRAIL_MAX,
    )


def end(tx: Tx, payout_id: UUID) -> End:
    """The end of a paid payout; both fields are None for other payouts."""
    found = tx.first(
        End,
        """
        SELECT s.block_number, CAST(t.seen_at AT TIME ZONE 'UTC' AS date) AS compared_on
        FROM payout_slots s LEFT JOIN chain_transfers t ON t.payout_id = s.payout_id
        WHERE s.payout_id = :payout_id AND s.state = 'FINAL_PAY'
        """,
        payout_id=payout_id,
    )
    return found or End(None, None)


def open_payouts(tx: Tx, pool: str) -> list[Count]:
    """The number and the sum of the treasury's open payouts, by state."""
    return tx.all(
        Count,
        """
        SELECT CAST(state AS text) AS state, count(*) AS payouts, CAST(sum(amount) AS bigint) AS amount FROM (
            SELECT state, amount FROM payouts
            WHERE treasury = :pool AND payout_is_under_way(state)
            UNION ALL
            SELECT state, amount FROM payouts WHERE treasury = :pool AND payout_is_stopped(state)
        ) AS open_ones
        GROUP BY open_ones.state ORDER BY open_ones.state
        """,
        pool=pool,
    )


def limits(tx: Tx, pool: str, now: datetime) -> PoolLimits:
    """The treasury's limits. The day is UTC's, the hour is the last sixty minutes, the first of them in full as
    the policy counts it; settings have the amounts in USDT.
    """
    return tx.one(
        PoolLimits,
        """
        SELECT CAST(CAST(value -> :pool ->> 'single' AS numeric) * 1000000 AS bigint) AS single,
               CAST(CAST(value -> :pool ->> 'day' AS numeric) * 1000000 AS bigint) AS day,
               CAST(CAST(value -> :pool ->> 'hour' AS numeric) * 1000000 AS bigint) AS hour,
               coalesce((SELECT amount FROM treasury_days WHERE treasury = :pool AND day = :today), 0) AS used_day,
               CAST(coalesce((SELECT sum(amount) FROM treasury_minutes
                              WHERE treasury = :pool
                                AND minute >= date_trunc('minute', CAST(:now AS timestamptz) - interval '1 hour')), 0)
                    AS bigint) AS used_hour
        FROM settings WHERE name = 'payout_limits'
        """,
        pool=pool,
        today=now.date(),
        now=now,
    )


def pool_state(tx: Tx, pool: str) -> PoolState:
    """The state of a treasury, locked so that a pause and a resumption cannot interleave."""
    return tx.one(
        PoolState,
        "SELECT name AS pool, paused_at, pause_reason FROM treasuries WHERE name = :pool FOR NO KEY UPDATE",
        pool=pool,
    )


def alerts(tx: Tx, pool: str) -> dict[str, Alert]:
    """The treasury's alerts, by kind."""
    found = tx.all(
        Alert,
        "SELECT kind, threshold, crossed_at FROM treasury_alerts WHERE treasury = :pool",
        pool=pool,
    )
    return {it.kind: it for it in found}


def findings_open(tx: Tx, pool: str) -> int:
    """The number of the treasury's findings that are not resolved."""
    return tx.scalar(
        int,
        "SELECT count(*) AS count FROM reconciliation_findings WHERE treasury = :pool AND resolved_at IS NULL",
        pool=pool,
    )


def comparisons(tx: Tx, after: Position | None, limit: int) -> list[Comparison]:
    """Reconciliations after a position, newest first."""
    return tx.all(
        Comparison,
        """
        SELECT id, day, requested_at, finished_at, block_number, status, badge, reason FROM reconciliations
        WHERE CAST(:at AS timestamptz) IS NULL OR (requested_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY requested_at DESC, id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def comparison(tx: Tx, identity: UUID) -> Comparison | None:
    return tx.first(
        Comparison,
        """
        SELECT id, day, requested_at, finished_at, block_number, status, badge, reason FROM reconciliations
        WHERE id = :identity
        """,
        identity=identity,
    )


def compared_pools(tx: Tx, identity: UUID) -> list[ComparedPool]:
    """The treasuries of a reconciliation."""
    return tx.all(
        ComparedPool,
        """
        SELECT treasury AS pool, status, badge, reason, chain_balance, book_balance, difference, payouts_matched,
               amount_matched, payouts_waiting, findings_open
        FROM reconciliation_treasuries WHERE reconciliation_id = :identity ORDER BY treasury
        """,
        identity=identity,
    )


def findings(tx: Tx, pool: str | None, is_open: bool | None, after: Position | None, limit: int) -> list[Finding]:
    """Findings after a position, newest first."""
    return tx.all(
        Finding,
        """
        SELECT id, reconciliation_id, treasury AS pool, kind, payout_id, transaction_hash, counterparty, expected,
               found, found_at, resolved_at, resolved_by, resolution
        FROM reconciliation_findings
        WHERE (CAST(:pool AS text) IS NULL OR treasury = :pool)
          AND (CAST(:is_open AS boolean) IS NULL OR (resolved_at IS NULL) = :is_open)
          AND (CAST(:at AS timestamptz) IS NULL OR (found_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY found_at DESC, id DESC LIMIT :limit
        """,
        pool=pool,
        is_open=is_open,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def lock_finding(tx: Tx, finding_id: UUID) -> Finding | None:
    """The finding, locked until it is resolved; None if there is none."""
    return tx.first(
        Finding,
        """
        SELECT id, reconciliation_id, treasury AS pool, kind, payout_id, transaction_hash, counterparty, expected,
               found, found_at, resolved_at, resolved_by, resolution
        FROM reconciliation_findings WHERE id = :finding_id FOR UPDATE
        """,
        finding_id=finding_id,
    )
