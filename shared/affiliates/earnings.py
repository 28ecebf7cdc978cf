"""Takes an affiliate's earning back: it is cancelled, or, once a payout may pay it, reversed by one below zero."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.db import Tx
from shared.ledger import journals
from shared.messages import notifications
from shared.values.money import Usdt
from shared.values.states import EarningStatus

OWED = "owed:affiliate"
ACCOUNTS = {"prize_match": "match:affiliate", "manual": "award:affiliate"}  # which each kind of earning is paid from
NOTICES = {  # what tells that one of the kind was cancelled, and that it was reversed
    "prize_match": ("match_cancelled", "match_reversed"),
    "manual": ("award_cancelled", "award_reversed"),
}


@dataclass(frozen=True)
class LockedEarning:
    """An earning that was not cancelled. `in_payout`: it was paid, or a payout may pay it. `is_reversed`: another
    earning takes it back. `was_told`: the affiliate knows of it, even if it waits for a review now.
    """

    id: UUID
    affiliate_id: UUID
    referred_id: UUID | None
    kind: str
    amount: Usdt
    status: EarningStatus
    in_payout: bool
    is_reversed: bool
    was_told: bool


def lock(tx: Tx, earning_id: UUID) -> LockedEarning | None:
    """The earning, locked; None if there is none, or it is cancelled.

    It is read by a statement of its own: one that waits for a lock still sees other tables as they were before.
    """
    tx.run("SELECT FROM affiliate_earnings WHERE id = :id FOR NO KEY UPDATE", id=earning_id)
    return tx.first(
        LockedEarning,
        """
        SELECT id, affiliate_id, referred_id, kind, amount, status,
               status = 'paid' OR EXISTS (SELECT FROM affiliate_payout_lines line
                                          WHERE line.earning_id = earning.id AND line.released_at IS NULL)
                   AS in_payout,
               EXISTS (SELECT FROM affiliate_earnings WHERE reverses_id = earning.id) AS is_reversed,
               status <> 'in_review' OR EXISTS (SELECT FROM notifications n WHERE n.member_id = earning.affiliate_id
                                                AND n.dedupe_key = 'match-earned:' || earning.id) AS was_told
        FROM affiliate_earnings earning WHERE id = :id AND status <> 'cancelled'
        """,
        id=earning_id,
    )


def take_back(tx: Tx, earning: LockedEarning, now: datetime) -> bool:
    """Cancel or reverse a locked earning, and tell the affiliate if they knew of it; False if it was reversed before.

    A reversal lowers the affiliate's next payout.
    """
    if earning.is_reversed:
        return False
    taken = _reverse(tx, earning, now) if earning.in_payout else _cancel(tx, earning, now)
    code = NOTICES[earning.kind][earning.in_payout]
    ref = f"{code.replace('_', '-')}:{earning.id}"
    journals.move(tx, ref, OWED, ACCOUNTS[earning.kind], earning.amount, now=now)
    if earning.was_told:
        data = {"earning_id": str(taken)}
        note = notifications.note(earning.affiliate_id, code, data, ref, amount=earning.amount)
        notifications.notify(tx, note, now)
    return True


def _cancel(tx: Tx, earning: LockedEarning, now: datetime) -> UUID:
    """Cancel the earning; returns its id."""
    tx.run(
        "UPDATE affiliate_earnings SET status = 'cancelled', cancelled_at = :now WHERE id = :id", id=earning.id, now=now
    )
    return earning.id


def _reverse(tx: Tx, earning: LockedEarning, now: datetime) -> UUID:
    """Insert the earning that takes this one back; returns its id."""
    identity = uuid4()
    tx.run(
        """
        INSERT INTO affiliate_earnings (id, affiliate_id, referred_id, kind, reverses_id, amount, status, earned_at)
        VALUES (:id, :affiliate_id, :referred_id, 'reversal', :reverses_id, :amount, 'pending', :now)
        """,
        id=identity,
        affiliate_id=earning.affiliate_id,
        referred_id=earning.referred_id,
        reverses_id=earning.id,
        amount=-earning.amount,
        now=now,
    )
    return identity
