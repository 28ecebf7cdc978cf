"""Counts a week again from the facts, another way than the job, and names every difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from functions.affiliate_week import marks, proposal_store
from functions.affiliate_week.week_store import WHOLE_WEEK_SECONDS, Week
from shared.affiliates import published as lists
from shared.db import Tx
from shared.values.money import Usdt


class WeekUnknown(LookupError):
    """Raised when there is no such week, or it was not divided."""


@dataclass(frozen=True)
class _Share:
    affiliate_id: UUID
    mark: bytes
    secret: bytes | None
    chips: int
    overflow: int
    share: Usdt
    scanned: int
    brought: int
    put_away: int
    locked: int | None


@dataclass(frozen=True)
class _Promise:
    digest: bytes | None
    promised: Usdt
    given_up: Usdt


def differences(tx: Tx, week_on: date) -> list[str]:
    """The differences between a week and the facts, a line each. Raises WeekUnknown.

    Chips are counted one by one from the scans' rows, shares by `Usdt.allocate`, marks in Python. The mark of a member
    who was erased cannot be made again, and is taken as it stands.
    """
    week = read(tx, week_on)
    tx.allow(WHOLE_WEEK_SECONDS)
    rows = _shares(tx, week)
    return [*_chips(week, rows), *_divided(week, rows), *_promised(tx, week)]


def read(tx: Tx, week_on: date) -> Week:
    """The week. Raises WeekUnknown."""
    found = tx.first(
        Week,
        """
        SELECT week_on, state, first_number, last_number, pool, chips_max, payout_min, chips, affiliates, approvals,
               ready_at, done_affiliate, paced_at, paced
        FROM affiliate_weeks WHERE week_on = :week_on AND outcome = 'shared' AND digest IS NOT NULL
        """,
        week_on=week_on,
    )
    if found is None:
        raise WeekUnknown(f"no week that ended on {week_on} has been divided")
    return found


def published(tx: Tx, week: Week) -> Iterator[str]:
    """The text whose SHA-256 is the week's digest: a line of its figures, then `mark,chips,share` of each affiliate."""
    yield lists.header(week)
    yield from lists.share_lines(tx, week)


def _shares(tx: Tx, week: Week) -> list[_Share]:
    return tx.all(
        _Share,
        """
        SELECT s.affiliate_id, s.mark, k.secret, s.chips, s.overflow, s.share,
               (SELECT CAST(count(*) AS integer) FROM affiliate_chips c
                LEFT JOIN withheld_chips w USING (scan_number)
                WHERE c.affiliate_id = s.affiliate_id AND c.scan_number BETWEEN :first AND :last
                  AND w.scan_number IS NULL) AS scanned,
               (SELECT CAST(coalesce(sum(m.chips), 0) AS integer) FROM chip_moves m
                WHERE m.affiliate_id = s.affiliate_id AND m.week_on = s.week_on AND m.kind <> 'vault') AS brought,
               (SELECT CAST(coalesce(sum(m.chips), 0) AS integer) FROM chip_moves m
                WHERE m.affiliate_id = s.affiliate_id AND m.week_on = s.week_on AND m.kind = 'vault') AS put_away,
               CASE WHEN week_is_locked(s.week_on) THEN l.weight END AS locked
        FROM affiliate_week_shares s LEFT JOIN locked_shares l USING (affiliate_id)
             LEFT JOIN mark_secrets k ON k.member_id = s.affiliate_id
        WHERE s.week_on = :week_on ORDER BY s.mark
        """,
        week_on=week.week_on,
        first=week.first_number,
        last=week.last_number,
    )


def _chips(week: Week, rows: Sequence[_Share]) -> Iterator[str]:
    for row in rows:
        total = row.scanned + row.brought - row.put_away if row.locked is None else row.locked
        counted = min(total, week.chips_max) if row.locked is None else total
        if (row.chips, row.overflow) != (counted, total - counted):
            yield f"{row.affiliate_id} has {row.chips} chips and {row.overflow} to be vaulted, the facts say {total}"
        if row.secret is not None and marks.mark(row.secret, f"week:{week.week_on}") != row.mark:
            yield f"{row.affiliate_id} has the mark {row.mark.hex()} of somebody else"


def _divided(week: Week, rows: Sequence[_Share]) -> Iterator[str]:
    shares = week.pool.allocate([row.chips for row in rows])
    for row, share in zip(rows, shares, strict=True):
        if row.share != share:
            yield f"{row.affiliate_id} has {row.share} for {row.chips} chips, the pool gives {share}"


def _promised(tx: Tx, week: Week) -> Iterator[str]:
    found = tx.one(
        _Promise,
        """
        SELECT digest,
               (SELECT CAST(coalesce(sum(amount), 0) AS bigint) FROM ledger_journals j
                JOIN ledger_postings p ON p.journal_id = j.id
                WHERE j.ref = 'week:' || CAST(w.week_on AS text) AND p.account = 'owed:affiliate') AS promised,
               (SELECT CAST(coalesce(sum(amount), 0) AS bigint) FROM ledger_journals j
                JOIN ledger_postings p ON p.journal_id = j.id
                WHERE j.ref = 'week:' || CAST(w.week_on AS text) AND p.account = 'pool:affiliate') AS given_up
        FROM affiliate_weeks w WHERE week_on = :week_on
        """,
        week_on=week.week_on,
    )
    made = proposal_store.digest("", published(tx, week))
    if made != found.digest:
        yield f"the published list has the digest {made.hex()}, the week {found.digest.hex() if found.digest else None}"
    if (found.promised or found.given_up) and found.promised + found.given_up != week.pool:
        yield f"{found.promised} was promised and {found.given_up} given back of a pool of {week.pool}"
