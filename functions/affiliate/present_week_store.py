"""The present week as a row."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt

TOLD_WITHIN = timedelta(hours=1)  # what is older says nothing of the present week


@dataclass(frozen=True)
class Week:
    """The week so far: chips of the affiliate and of all, or locked shares; `week_on` is None before the first week."""

    week_on: date | None
    as_of: datetime
    pool: Usdt
    chips: int
    all_chips: int
    is_locked: bool


def find(tx: Tx, affiliate_id: UUID) -> Week:
    """The present week so far."""
    return tx.one(
        Week,
        """
        SELECT p.week_on, p.as_of, p.pool,
               CASE WHEN locked THEN coalesce((SELECT weight FROM locked_shares WHERE affiliate_id = :affiliate_id), 0)
                    ELSE (SELECT scan_chips + brought - put_away
                          FROM uncounted_chips(CAST(:affiliate_id AS uuid), 'infinity')) END AS chips,
               CASE WHEN locked THEN coalesce(program.weights, 0) ELSE p.scan_chips + p.moved_chips END AS all_chips,
               locked AS is_locked
        FROM referral_progress p CROSS JOIN affiliate_program program
        CROSS JOIN LATERAL (SELECT coalesce(week_is_locked(p.week_on), false) AS locked) locking
        """,
        affiliate_id=affiliate_id,
    )
