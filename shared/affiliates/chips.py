"""An affiliate's chips, as members and admins see them: those of the present week, waiting and vaulted ones."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Tx
from shared.values.weeks import last_sunday


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
class ChipStanding:
    """The week and the vault of a member. `week_on` is the Sunday on which the uncounted chips are counted;
    `moves_open` is False between that day and the opening of its week.
    """

    week_on: date
    moves_open: bool
    waiting: int
    vaulted: int
    next_expiry_at: datetime | None


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


def standing(tx: Tx, member_id: UUID, now: datetime) -> ChipStanding:
    """The week of the member's chips, how many wait for a decision, and how many are vaulted and still good."""
    return tx.one(
        ChipStanding,
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
