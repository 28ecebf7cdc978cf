"""Queries of payout_confirm beside those of the payout slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared import settings
from shared.db import Tx
from shared.payouts.slots import Slot
from shared.payouts.states import HoldReason
from shared.values.money import Usdt

# Held payouts of these reasons are served in order: a later one never overtakes.
SERVED_IN_ORDER = frozenset({HoldReason.FUNDS, HoldReason.GAS, HoldReason.LIMIT})


def treasury_of(tx: Tx, signer: str) -> str:
    """The treasury that the key belongs to."""
    return tx.scalar(str, "SELECT treasury FROM signers WHERE address = :signer", signer=signer)


def any_disputed(tx: Tx, signer: str, nonces: Sequence[int]) -> bool:
    """Whether the nodes disagreed about one of the nonces before."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM payout_slots WHERE signer = :signer AND nonce = ANY(CAST(:nonces AS bigint[]))
                                                  AND disagreed_since IS NOT NULL) AS found
        """,
        signer=signer,
        nonces=list(nonces),
    )


def is_stuck(tx: Tx, signer: str, nonce: int, now: datetime) -> bool:
    """Whether the slot's newest signature is older than `payout_stuck_seconds`; False if it has none. The caller knows
    that it is not mined.
    """
    since = now - timedelta(seconds=settings.load(tx).payouts.stuck_seconds)
    return tx.scalar(
        bool,
        """
        SELECT coalesce(max(signed_at) <= :since, false) AS found FROM payout_attempts
        WHERE signer = :signer AND nonce = :nonce
        """,
        signer=signer,
        nonce=nonce,
        since=since,
    )


def reverted_in_a_row(tx: Tx, signer: str, nonce: int, number: int) -> bool:
    """Whether this payment of a key and those mined before it, `number` together, have all reverted. No-ops do not
    count.
    """
    return tx.scalar(
        bool,
        """
        SELECT count(*) FILTER (WHERE NOT succeeded) = :number AS found FROM (
            SELECT slot.succeeded
            FROM payout_slots slot JOIN payout_attempts winner ON winner.hash = slot.winning_hash
            WHERE slot.signer = :signer AND slot.nonce <= :nonce AND winner.kind = 'PAY'
            ORDER BY slot.nonce DESC LIMIT :number
        ) AS mined
        """,
        signer=signer,
        nonce=nonce,
        number=number,
    )


@dataclass(frozen=True)
class TreasuryWithHolds:
    """A treasury with payouts on hold for a cause that may be gone."""

    treasury: str
    signer: str
    token_address: str
    paused: bool


def treasuries_with_holds(tx: Tx) -> list[TreasuryWithHolds]:
    """The treasuries that have holds without approvals, each with the key that it pays from."""
    return tx.all(
        TreasuryWithHolds,
        """
        SELECT t.name AS treasury, s.address AS signer, t.token_address, t.paused_at IS NOT NULL AS paused
        FROM treasuries t JOIN signers s ON s.treasury = t.name AND s.status = 'active'
        WHERE EXISTS (SELECT FROM payouts p
                      WHERE p.treasury = t.name AND p.state = 'HELD' AND p.approvals_needed = 0)
        ORDER BY t.name
        """,
    )


def watched(tx: Tx) -> list[str]:
    """The keys that pay or drain, and are not being rebuilt."""
    return tx.column(
        str, "SELECT address FROM signers WHERE status <> 'retired' AND rebuild_asked_at IS NULL ORDER BY address"
    )


def mark_dropped(tx: Tx, slot: Slot, now: datetime) -> None:
    """Set the slot to LIVE again, because the block of its transaction is no longer part of the chain."""
    tx.run(
        """
        UPDATE payout_slots SET state = 'LIVE', winning_hash = NULL, block_number = NULL, block_hash = NULL,
               succeeded = NULL, state_at = :now
        WHERE signer = :signer AND nonce = :nonce AND state = 'MINED'
        """,
        signer=slot.signer,
        nonce=slot.nonce,
        now=now,
    )


@dataclass(frozen=True)
class Held:
    """A payout on hold that needs no approval; it waits until the reason for the hold is gone."""

    id: UUID
    hold_reason: HoldReason
    recipient_address: str
    amount: Usdt
    requested_at: datetime
    limited_by: str | None


def held_alone(tx: Tx, treasury: str, now: datetime, limit: int) -> list[Held]:
    """Payouts on hold that need no approval, oldest request first: at most `limit` per reason, from its window on.

    Each reason has its own window, so that a thousand payouts held for one reason never hide those of another. Payouts
    of members who are still suspended are left out. `limited_by` says which limit holds a payout: that of the day, that
    of the hour, or that of the hour for payouts approved by people.
    """
    return tx.all(
        Held,
        """
        SELECT held.id, held.hold_reason, held.recipient_address, held.amount, held.requested_at,
               CASE WHEN held.hold_reason <> 'limit' THEN NULL WHEN held.people_agreed > 0 THEN 'agreed'
                    WHEN held.counted_on IS NULL THEN 'day' ELSE 'hour' END AS limited_by
        FROM unnest(enum_range(CAST(NULL AS hold_reason))) AS reason
        LEFT JOIN hold_windows place ON place.treasury = :treasury AND place.hold_reason = reason
        CROSS JOIN LATERAL (
            SELECT id, hold_reason, recipient_address, amount, requested_at, people_agreed, counted_on FROM payouts
            WHERE treasury = :treasury AND state = 'HELD' AND approvals_needed = 0 AND hold_reason = reason
              AND (requested_at, id) > (coalesce(place.requested_at, '-infinity'),
                                        coalesce(place.payout_id, '00000000-0000-0000-0000-000000000000'))
              AND (postponed_until IS NULL OR postponed_until <= :now)
              AND (hold_reason <> 'suspended' OR NOT pays_suspended(payouts))
            ORDER BY requested_at, id LIMIT :limit
        ) held
        ORDER BY held.requested_at, held.id
        """,
        treasury=treasury,
        now=now,
        limit=limit,
    )


def move_windows(tx: Tx, treasury: str, seen: Sequence[Held], limit: int) -> None:
    """Move each reason's window: it starts after the last payout of a full window, else at the first payout again.

    Reasons that are served strictly in order always start at the first payout.
    """
    for reason in HoldReason:
        window = [payout for payout in seen if payout.hold_reason is reason]
        if len(window) == limit and reason not in SERVED_IN_ORDER:
            _begin_after(tx, treasury, window[-1])
        else:
            tx.run_later(
                "DELETE FROM hold_windows WHERE treasury = :treasury AND hold_reason = :reason",
                treasury=treasury,
                reason=reason,
            )


def _begin_after(tx: Tx, treasury: str, last: Held) -> None:
    tx.run_later(
        """
        INSERT INTO hold_windows (treasury, hold_reason, requested_at, payout_id)
        VALUES (:treasury, :reason, :requested_at, :payout_id)
        ON CONFLICT (treasury, hold_reason)
        DO UPDATE SET requested_at = EXCLUDED.requested_at, payout_id = EXCLUDED.payout_id
        """,
        treasury=treasury,
        reason=last.hold_reason,
        requested_at=last.requested_at,
        payout_id=last.id,
    )


@dataclass(frozen=True)
class Neglected:
    """A payout whose task may be lost. `idle` is true when no worker has held the treasury's key since `before`."""

    treasury: str
    payout_id: UUID
    idle: bool


def neglected(tx: Tx, before: datetime, now: datetime, limit: int) -> list[Neglected]:
    """The payouts among each treasury's first `limit` that have not moved since `before`, even if others move. Paused
    treasuries are left out.

    A task always serves the payout that has waited longest. One lost task therefore delays every payout and stops none:
    only the waiting time of the first ones reveals it.
    """
    return tx.all(
        Neglected,
        """
        SELECT treasuries.name AS treasury, next.id AS payout_id,
               NOT EXISTS (SELECT FROM signers WHERE treasury = treasuries.name AND held_until > :before) AS idle
        FROM treasuries CROSS JOIN LATERAL (
            SELECT id, state_at FROM payouts
            WHERE treasury = treasuries.name AND payout_is_payable(state)
              AND (postponed_until IS NULL OR postponed_until <= :now)
            ORDER BY requested_at, id LIMIT :limit
        ) next
        WHERE treasuries.paused_at IS NULL AND next.state_at <= :before
        ORDER BY treasuries.name
        """,
        before=before,
        now=now,
        limit=limit,
    )


@dataclass(frozen=True)
class Busy:
    """A key with open nonces: its lowest open nonce, and the payout of that nonce."""

    signer: str
    treasury: str
    nonce: int
    payout_id: UUID | None
    state: str


def open_signers(tx: Tx) -> list[Busy]:
    """All keys that have open nonces, each with its lowest one."""
    return tx.all(
        Busy,
        """
        SELECT signers.address AS signer, signers.treasury, lowest.nonce, lowest.payout_id, lowest.state::text AS state
        FROM signers CROSS JOIN LATERAL (
            SELECT nonce, payout_id, state FROM payout_slots
            WHERE signer = signers.address AND nonce_is_open(state) ORDER BY nonce LIMIT 1
        ) lowest
        ORDER BY signers.address
        """,
    )
