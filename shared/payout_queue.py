"""What a treasury has to do next, and what it has let go so far; no question here costs more in a longer backlog."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.db import Tx
from shared.money import Usdt
from shared.payout_types import ROTATION, HoldReason

HOUR = timedelta(hours=1)
STEP_ASIDE = timedelta(minutes=5)


@dataclass(frozen=True)
class _Id:
    id: UUID


@dataclass(frozen=True)
class _Amount:
    amount: Usdt


def waiting(tx: Tx, treasury: str, now: datetime, limit: int, *, rotation_only: bool = False) -> list[UUID]:
    """Payouts that may be taken further, first requested first. A key that drains only moves its money to the next."""
    rows = tx.all(
        _Id,
        """
        SELECT id FROM payouts
        WHERE treasury = :treasury AND state IN ('REQUESTED', 'APPROVED', 'RESERVED')
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
    return [row.id for row in rows]


def step_aside(tx: Tx, payout_id: UUID, now: datetime) -> None:
    """Nobody waits for a payout that makes its worker fail; it is tried again after STEP_ASIDE."""
    tx.run("UPDATE payouts SET postponed_until = :until WHERE id = :id", id=payout_id, until=now + STEP_ASIDE)


def let_go_today(tx: Tx, treasury: str, now: datetime) -> Usdt:
    """What was approved on this UTC day."""
    return tx.one(
        _Amount,
        """
        SELECT coalesce((SELECT amount FROM treasury_days WHERE treasury = :treasury AND day = :day), 0) AS amount
        """,
        treasury=treasury,
        day=now.astimezone(UTC).date(),
    ).amount


def let_go_in_an_hour(tx: Tx, treasury: str, now: datetime) -> Usdt:
    """What was set aside to leave within the last hour, from at most 61 rows."""
    return tx.one(
        _Amount,
        """
        SELECT coalesce(sum(amount), 0) AS amount FROM treasury_minutes
        WHERE treasury = :treasury AND minute > :since
        """,
        treasury=treasury,
        since=now - HOUR,
    ).amount


@dataclass(frozen=True)
class Committed:
    """What a treasury has set aside for payouts; of that, what may have left it on the chain already."""

    set_aside: Usdt
    leaving: Usdt


def committed(tx: Tx, treasury: str) -> Committed:
    """As the ledger and the open slots have it; of the latter there are a bounded number."""
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


def set_aside(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those whose money is set aside already: they were held after their reservation."""
    rows = tx.all(
        _Id,
        "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND payout_reserved(payouts)",
        ids=list(payout_ids),
    )
    return frozenset(row.id for row in rows)


def agreed_by_people(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those that two people have let go before: they are not asked for the same a second time."""
    rows = tx.all(
        _Id,
        """
        SELECT DISTINCT payout_id AS id FROM payout_approvals
        WHERE payout_id = ANY(CAST(:ids AS uuid[])) GROUP BY payout_id, hold HAVING count(*) >= 2
        """,
        ids=list(payout_ids),
    )
    return frozenset(row.id for row in rows)


def may_be_paid_already(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those whose terms are the ones of a foreign transaction that nobody has explained."""
    rows = tx.all(
        _Id,
        "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND may_be_paid_already(payouts)",
        ids=list(payout_ids),
    )
    return frozenset(row.id for row in rows)


@dataclass(frozen=True)
class Held:
    """A payout that waits for nobody but for its cause to end."""

    id: UUID
    hold_reason: HoldReason
    recipient_address: str
    amount: Usdt


def held_alone(tx: Tx, treasury: str, limit: int) -> list[Held]:
    """First requested first."""
    return tx.all(
        Held,
        """
        SELECT id, hold_reason, recipient_address, amount FROM payouts
        WHERE treasury = :treasury AND state = 'HELD' AND approvals_needed = 0
        ORDER BY requested_at, id LIMIT :limit
        """,
        treasury=treasury,
        limit=limit,
    )


@dataclass(frozen=True)
class _Turn:
    requested_at: datetime
    id: UUID


def first_in_want(tx: Tx, treasury: str) -> tuple[datetime, UUID] | None:
    """The turn of the first payout that is held for want of money: nobody later overtakes it."""
    first = tx.first(
        _Turn,
        """
        SELECT requested_at, id FROM payouts
        WHERE treasury = :treasury AND state = 'HELD' AND approvals_needed = 0 AND hold_reason = 'funds'
        ORDER BY requested_at, id LIMIT 1
        """,
        treasury=treasury,
    )
    return (first.requested_at, first.id) if first else None


@dataclass(frozen=True)
class Idle:
    """A treasury with something to do at which nobody has worked for a while."""

    treasury: str
    payout_id: UUID


def neglected(tx: Tx, before: datetime, now: datetime, limit: int) -> list[Idle]:
    """Per treasury that has work and no worker since `before`, its next payouts: their tasks were lost."""
    return tx.all(
        Idle,
        """
        SELECT treasuries.name AS treasury, next.id AS payout_id
        FROM treasuries CROSS JOIN LATERAL (
            SELECT id FROM payouts
            WHERE treasury = treasuries.name AND state IN ('REQUESTED', 'APPROVED', 'RESERVED')
              AND (postponed_until IS NULL OR postponed_until <= :now) AND state_at <= :before
            ORDER BY requested_at, id LIMIT :limit
        ) next
        WHERE NOT EXISTS (SELECT FROM signers WHERE treasury = treasuries.name AND held_until > :before)
          AND treasuries.paused_at IS NULL
        ORDER BY treasuries.name
        """,
        before=before,
        now=now,
        limit=limit,
    )


@dataclass(frozen=True)
class Busy:
    """A key with open nonces, and the payout of the lowest of them."""

    signer: str
    treasury: str
    nonce: int
    payout_id: UUID | None
    state: str


def open_signers(tx: Tx) -> list[Busy]:
    """All keys that something is out for."""
    return tx.all(
        Busy,
        """
        SELECT signers.address AS signer, signers.treasury, lowest.nonce, lowest.payout_id, lowest.state::text AS state
        FROM signers CROSS JOIN LATERAL (
            SELECT nonce, payout_id, state FROM payout_slots
            WHERE signer = signers.address AND state IN ('ALLOCATED', 'LIVE', 'MINED') ORDER BY nonce LIMIT 1
        ) lowest
        ORDER BY signers.address
        """,
    )
