"""Pays an approved week, two thousand affiliates at a time, tells everybody their share, and ends the week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from functions.affiliate_week import week_store
from functions.affiliate_week.week_store import WHOLE_WEEK_SECONDS, Week
from shared import log, settings
from shared.affiliates import payouts
from shared.affiliates.payouts import Due
from shared.db import Tx
from shared.messages import notifications
from shared.values.ids import NIL
from shared.values.money import ZERO, Usdt
from shared.values.states import WeekState

PORTION = 2_000
PACE_PERCENT = 80  # of what the machine lets go in an hour before it stops


@dataclass(frozen=True)
class _Proposed:
    """A payout that the week proposed. It is payable if its affiliate may be paid now, and to that address."""

    id: UUID
    affiliate_id: UUID
    address: str
    amount: Usdt
    is_payable: bool


@dataclass(frozen=True)
class _Told:
    affiliate_id: UUID
    share: Usdt


def request_portion(tx: Tx, week: Week, now: datetime) -> bool:
    """Have the next affiliates paid; False while as much was asked for in this hour as the machine may let go.

    Whoever can no longer be paid as proposed (suspended, another wallet, none) is left out, and stays owed.
    """
    tx.in_index_order()
    portion = _proposed(tx, week, now)
    if not portion:
        week_store.move(tx, week, WeekState.REQUESTED, now)
        return True
    _leave_out(tx, [row for row in portion if not row.is_payable], now)
    due = [Due(row.id, row.affiliate_id, row.address, row.amount) for row in portion if row.is_payable]
    asked = week.paced if week.paced is not None and week.paced_at == now else _asked(tx, now)
    affordable = _within_pace(tx, due, asked)
    payouts.promise(tx, affordable, now)
    is_whole = len(affordable) == len(due)
    last = portion[-1].affiliate_id if is_whole else week.done_affiliate
    week_store.note_asked(tx, week, last, now, sum((row.amount for row in affordable), asked))
    if not is_whole:
        log.info("a week waits for the next hour", week_on=week.week_on)
    return is_whole


def tell_portion(tx: Tx, week: Week, now: datetime) -> bool:
    """Tell the next affiliates their share, each once."""
    tx.in_index_order()
    told = tx.all(
        _Told,
        """
        SELECT affiliate_id, share FROM affiliate_week_shares
        WHERE week_on = :week_on AND share > 0 AND NOT given_up AND affiliate_id > :after
        ORDER BY affiliate_id LIMIT :limit
        """,
        week_on=week.week_on,
        after=week.done_affiliate or NIL,
        limit=PORTION,
    )
    if not told:
        week_store.move(tx, week, WeekState.TOLD, now)
        return True
    data = {"week_on": week.week_on.isoformat()}
    notes = [
        notifications.note(
            row.affiliate_id, "week_shared", data, f"week:{week.week_on}:{row.affiliate_id}", amount=row.share
        )
        for row in told
    ]
    notifications.notify_many(tx, notes, now)
    week_store.note_portion(tx, week, told[-1].affiliate_id)
    return True


def complete(tx: Tx, week: Week, now: datetime) -> bool:
    """Complete the week once none of its payouts is open.

    An account that was closed at the moment of the approval may still have a promised share: it is given up here.
    """
    is_open = tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM affiliate_payouts
                       WHERE week_on = :week_on AND state IN ('proposed', 'requested')) AS is_open
        """,
        week_on=week.week_on,
    )
    if is_open:
        return False
    tx.allow(WHOLE_WEEK_SECONDS)
    for member_id in _closed_with_shares(tx):
        payouts.give_up_shares(tx, member_id, now)
    week_store.move(tx, week, WeekState.COMPLETED, now)
    return True


def release_cancelled(tx: Tx, now: datetime) -> None:
    """End rows whose payout people have cancelled; their shares and earnings are owed again."""
    cancelled = tx.column(
        UUID,
        """
        UPDATE affiliate_payouts p SET state = 'cancelled', state_at = :now FROM payouts
        WHERE p.state = 'requested' AND payouts.id = p.payout_id AND payouts.state = 'CANCELLED'
        RETURNING p.id
        """,
        now=now,
    )
    payouts.release_lines(tx, cancelled, now)


def _closed_with_shares(tx: Tx) -> list[UUID]:
    """Members who have closed their account and have shares that were promised and that no payout may pay."""
    return tx.column(
        UUID,
        """
        SELECT DISTINCT s.affiliate_id AS id
        FROM affiliate_week_shares s JOIN members m ON m.id = s.affiliate_id JOIN affiliate_weeks w USING (week_on)
        WHERE m.status = 'deleted' AND s.share > 0 AND s.settled_at IS NULL AND w.approved_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.share_week = s.week_on
                          AND l.affiliate_id = s.affiliate_id AND l.released_at IS NULL)
        ORDER BY id
        """,
    )


def _proposed(tx: Tx, week: Week, now: datetime) -> list[_Proposed]:
    """The next payouts that the week proposed, locked."""
    return tx.all(
        _Proposed,
        """
        SELECT id, affiliate_id, address, amount,
               (SELECT affiliate_is_payable(members, :now) AND lower(wallet_address) = lower(address)
                FROM members WHERE members.id = affiliate_id) AS is_payable
        FROM affiliate_payouts
        WHERE week_on = :week_on AND state = 'proposed' AND affiliate_id > :after
        ORDER BY affiliate_id LIMIT :limit FOR NO KEY UPDATE
        """,
        week_on=week.week_on,
        after=week.done_affiliate or NIL,
        limit=PORTION,
        now=now,
    )


def _leave_out(tx: Tx, left_out: Sequence[_Proposed], now: datetime) -> None:
    ids = [row.id for row in left_out]
    tx.run("UPDATE affiliate_payouts SET state = 'cancelled', state_at = :now WHERE id = ANY(:ids)", ids=ids, now=now)
    payouts.release_lines(tx, ids, now)


def _asked(tx: Tx, now: datetime) -> Usdt:
    """The sum of all payouts that the treasury was asked for in the last hour."""
    return tx.scalar(
        Usdt,
        """
        SELECT CAST(coalesce(sum(amount), 0) AS bigint) AS amount FROM payouts
        WHERE treasury = :treasury AND requested_at > :since
        """,
        treasury=payouts.TREASURY,
        since=now - timedelta(hours=1),
    )


def _within_pace(tx: Tx, due: list[Due], asked: Usdt) -> list[Due]:
    """As many of them, in this order, as may still be asked for in this hour."""
    hour = settings.load(tx).payouts.limits[payouts.TREASURY].hour
    room = hour.percent(PACE_PERCENT) - asked
    taken: list[Due] = []
    for row in due:
        room -= row.amount
        if room < ZERO and (taken or asked):
            break
        taken.append(row)
    return taken
