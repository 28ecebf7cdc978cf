"""Chips that a member moves, and the lots of the vault, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from functions.affiliate.chip_rules import Lot
from shared.affiliates import program
from shared.db import ConstraintViolated, Tx

LOTS_SHOWN_MAX = 100


@dataclass(frozen=True)
class ShownLot:
    """Vaulted chips of one moment."""

    kind: str
    chips: int
    vaulted_at: datetime
    expires_at: datetime


def lock(tx: Tx, member_id: UUID, now: datetime) -> date:
    """Lock the member's vault for a move; returns the move's week. Raises AffiliateWeekClosing, ChipsLocked."""
    program.require_open(tx)
    try:
        return tx.scalar(
            date, "SELECT lock_vault(CAST(:member_id AS uuid), :now) AS week_on", member_id=member_id, now=now
        )
    except ConstraintViolated as refused:
        if refused.constraint == "week_closing":
            raise program.AffiliateWeekClosing from None
        raise


def lots(tx: Tx, member_id: UUID, now: datetime) -> list[ShownLot]:
    """Vaulted chips that are still good, those that expire first before the others."""
    return tx.all(
        ShownLot,
        """
        SELECT kind, left_chips AS chips, vaulted_at, expires_at FROM vault_lots
        WHERE affiliate_id = :member_id AND left_chips > 0 AND expires_at > :now
        ORDER BY expires_at, id LIMIT :limit
        """,
        member_id=member_id,
        now=now,
        limit=LOTS_SHOWN_MAX,
    )


def lock_lots(tx: Tx, member_id: UUID, now: datetime) -> list[Lot]:
    """The lots that chips may be withdrawn from, those that expire first before the others, locked: the job that lets
    chips expire waits, or has them.
    """
    return tx.all(
        Lot,
        """
        SELECT id, left_chips AS left FROM vault_lots
        WHERE affiliate_id = :member_id AND left_chips > 0 AND vaulted_at <= :now AND expires_at > :now
        ORDER BY expires_at, id FOR NO KEY UPDATE
        """,
        member_id=member_id,
        now=now,
    )


def vault(tx: Tx, member_id: UUID, week_on: date, chips: int, now: datetime) -> None:
    """Put chips of the week's scans into a lot of their own; the schema records that they are put away."""
    tx.run(
        """
        INSERT INTO vault_lots (id, affiliate_id, kind, week_on, chips, left_chips, vaulted_at, expires_at)
        VALUES (:id, :member_id, 'manual', :week_on, :chips, :chips, :now,
                CAST(:now AS timestamptz) + interval '365 days')
        """,
        id=uuid4(),
        member_id=member_id,
        week_on=week_on,
        chips=chips,
        now=now,
    )


def withdraw(tx: Tx, member_id: UUID, parts: Sequence[Lot], now: datetime) -> None:
    """Take chips out of lots; the schema brings them to the present week."""
    tx.run(
        """
        INSERT INTO vault_moves (affiliate_id, lot_id, kind, chips, happened_at)
        SELECT :member_id, lot_id, 'withdraw', chips, :now
        FROM unnest(CAST(:ids AS uuid[]), CAST(:chips AS integer[])) AS part (lot_id, chips)
        """,
        member_id=member_id,
        ids=[part.id for part in parts],
        chips=[part.left for part in parts],
        now=now,
    )
