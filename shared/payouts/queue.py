"""Queries for a treasury's next payouts and for what it has approved so far. None gets slower with the backlog."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.db import Tx
from shared.payouts.states import ROTATION
from shared.values.money import Usdt

HOUR = timedelta(hours=1)


def waiting(tx: Tx, treasury: str, now: datetime, limit: int, *, rotation_only: bool = False) -> list[UUID]:
    """Payouts that may be taken further, oldest request first. With `rotation_only` (a draining key), only the payout
    that moves the treasury's money to its next key.
    """
    return tx.column(
        UUID,
        """
        SELECT id FROM payouts
        WHERE treasury = :treasury AND payout_is_payable(state)
          AND (postponed_until IS NULL OR postponed_until <= :now)
          AND (NOT :rotation_only OR source_kind = :rotation)
        ORDER BY requested_at, id LIMIT :limit
        """,
        treasury=treasury,
        now=now,
        rotation_only=rotation_only,
        rotation=ROTATION,
        limit=limit,
    )


def approved_today(tx: Tx, treasury: str, now: datetime) -> Usdt:
    """The sum of payouts first approved on this UTC day without people; rotations do not count."""
    return tx.scalar(
        Usdt,
        """
        SELECT coalesce((SELECT amount FROM treasury_days WHERE treasury = :treasury AND day = :day), 0) AS amount
        """,
        treasury=treasury,
        day=now.astimezone(UTC).date(),
    )


@dataclass(frozen=True)
class Hour:
    """Amounts reserved within the last hour: `alone` without people, `agreed` after people approved."""

    alone: Usdt
    agreed: Usdt

    def plus(self, amount: Usdt, *, by_people: bool) -> "Hour":
        """These amounts with one more payout added."""
        return Hour(self.alone, self.agreed + amount) if by_people else Hour(self.alone + amount, self.agreed)


def reserved_last_hour(tx: Tx, treasury: str, now: datetime) -> Hour:
    """The amounts reserved within the last hour, from at most 61 rows; its first minute counts in full."""
    return tx.one(
        Hour,
        """
        SELECT CAST(coalesce(sum(amount), 0) AS bigint) AS alone, CAST(coalesce(sum(agreed), 0) AS bigint) AS agreed
        FROM treasury_minutes
        WHERE treasury = :treasury AND minute >= date_trunc('minute', CAST(:since AS timestamptz))
        """,
        treasury=treasury,
        since=now - HOUR,
    )


@dataclass(frozen=True)
class Committed:
    """The amount set aside for payouts, and the part of it that may have left already: payments LIVE or MINED."""

    set_aside: Usdt
    leaving: Usdt


def committed(tx: Tx, treasury: str) -> Committed:
    """The amounts from the ledger and from the open slots; the number of open slots is bounded."""
    return tx.one(
        Committed,
        """
        SELECT (SELECT coalesce(sum(balance), 0) FROM ledger_balances
                WHERE account = 'in_flight:' || CAST(:treasury AS text)) AS set_aside,
               (SELECT coalesce(sum(payout.amount), 0)
                FROM signers signer
                JOIN payout_slots slot ON slot.signer = signer.address AND slot.state IN ('LIVE', 'MINED')
                JOIN payouts payout ON payout.id = slot.payout_id
                WHERE signer.treasury = :treasury) AS leaving
        """,
        treasury=treasury,
    )
