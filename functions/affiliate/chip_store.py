"""An affiliate's chips as rows: those of the present week, and vaulted ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from functions.affiliate.chip_rules import Lot
from shared.affiliates import program
from shared.db import ConstraintViolated, Tx
from shared.values.weeks import last_sunday

LOTS_SHOWN_MAX = 100


@dataclass(frozen=True)
class Uncounted:
    """The chips that no week has counted. `scan_chips` are those of scans; `brought` came otherwise, and `put_away` of
    the scans' chips were vaulted by hand.
    """

    scan_chips: int
    brought: int
    put_away: int

    @property
    def active(self) -> int:
        """How many there are now; none while vaulted chips are of scans that were doubted later."""
        return max(self.scan_chips + self.brought - self.put_away, 0)

    @property
    def vaultable(self) -> int:
        """How many may still be vaulted: each scan's chip once."""
        return max(self.scan_chips - self.put_away, 0)


@dataclass(frozen=True)
class Standing:
    """The week and the vault of a member. `week_on` is the Sunday on which the uncounted chips are counted;
    `moves_open` is False between that day and the opening of its week.
    """

    week_on: date
    moves_open: bool
    waiting: int
    vaulted: int
    next_expiry_at: datetime | None


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


def uncounted(tx: Tx, member_id: UUID, week_on: date | None = None) -> Uncounted:
    """The chips that no week has counted; with a week only those of scans of before its end."""
    return tx.one(
        Uncounted,
        """
        SELECT scan_chips, brought, put_away
        FROM uncounted_chips(CAST(:member_id AS uuid),
                             coalesce(CAST(CAST(:week_on AS date) AS timestamp) AT TIME ZONE 'UTC', 'infinity'))
        """,
        member_id=member_id,
        week_on=week_on,
    )


def standing(tx: Tx, member_id: UUID, now: datetime) -> Standing:
    """The week of the member's chips, how many wait for a decision, and how many are vaulted and still good."""
    return tx.one(
        Standing,
        """
        SELECT coalesce(newest, last_sunday) + 7 AS week_on,
               coalesce(newest >= last_sunday, true) AND affiliate_program_is_open() AS moves_open,
               (SELECT doubted FROM uncounted_chips(CAST(:member_id AS uuid), 'infinity'))
               + CAST((SELECT count(*) FROM withheld_chips
                       WHERE affiliate_id = :member_id AND judged_at IS NULL) AS integer) AS waiting,
               vaulted, next_expiry_at
        FROM (SELECT max(week_on) AS newest FROM affiliate_weeks) weeks,
             (SELECT CAST(:last_sunday AS date) AS last_sunday) days,
             (SELECT CAST(coalesce(sum(left_chips), 0) AS bigint) AS vaulted, min(expires_at) AS next_expiry_at
              FROM vault_lots WHERE affiliate_id = :member_id AND left_chips > 0 AND expires_at > :now) lots
        """,
        member_id=member_id,
        last_sunday=last_sunday(now),
        now=now,
    )


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
