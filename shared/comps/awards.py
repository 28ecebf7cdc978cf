"""Awards comps and pays them out. A comp is promised once per source, whoever requests it and however often."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.comps import matches, totals
from shared.comps.matches import Won
from shared.db import Tx
from shared.ledger import journals
from shared.messages import feed, mails, notifications, texts
from shared.messages.mails import Letter
from shared.payouts import machine
from shared.payouts.machine import CANCELLABLE, Payout, PayoutState, Promise
from shared.values.money import Usdt
from shared.values.prizes import CASINO_PACKAGE_VALUE, CompType
from shared.values.problems import NotFound, Problem
from shared.values.states import CompStatus

TREASURY = "member"  # comps are paid from the member pool
PENDING_MAX = 500  # as many unpaid comps are paid at once when a wallet is linked; no member has more


class CompPaid(Problem):
    """Raised when the comp's money is in a wallet: it cannot be taken back."""

    status, title = 409, "This comp has been paid."


class PaymentUnderWay(Problem):
    """Raised when a signed transaction of the comp may exist: only the chain decides whether it pays."""

    status, title = 409, "A payment of this comp may be on the chain already."


@dataclass(frozen=True)
class ScanReference:
    """The scan that won a comp."""

    id: UUID
    scanned_at: datetime
    number: int


@dataclass(frozen=True)
class ByHand:
    """The admin who awards a comp, what it is worth, and whether they may award it alone (table manual_awards)."""

    admin_id: UUID
    value: Usdt
    alone: bool


@dataclass(frozen=True)
class Award:
    """A comp to be awarded, once per `source_kind` and `source_id`. `reason` keeps the inputs of the rule."""

    member_id: UUID
    type: CompType
    amount: Usdt
    source_kind: str
    source_id: str
    reason: Mapping[str, object]
    scan: ScanReference | None = None
    needs_review: bool = False
    by_hand: ByHand | None = None
    match_percent: int | None = None  # the percentage that the scan's number promised; None if no scan won the comp


@dataclass(frozen=True)
class _Wallet:
    wallet_address: str | None
    wallet_rests_until: datetime | None


@dataclass(frozen=True)
class _Comp:
    id: UUID
    member_id: UUID
    type: CompType
    amount: Usdt
    status: str
    awarded_by: UUID | None = None

    def text(self, of_money: str, of_prize: str) -> tuple[str, dict[str, object]]:
        """The message code and its parameters: `of_money` names the amount, `of_prize` the kind of prize."""
        return (of_money, {"amount": self.amount}) if self.amount else (of_prize, {"prize": self.type})


@dataclass(frozen=True)
class _Pending:
    id: UUID
    amount: Usdt
    awarded_by: UUID | None


@dataclass(frozen=True)
class _Paid:
    member_id: UUID
    amount: Usdt
    email: str
    full_name: str


@dataclass(frozen=True)
class _Addressee:
    email: str
    full_name: str


def award(tx: Tx, given: Award, now: datetime) -> UUID | None:
    """Award a comp: row, totals, ledger, match, notification, feed; also the payout when the member has a wallet.

    Returns the comp's id, or None when this source was awarded before. A comp that needs a review gets no feed entry
    and no payout before it is released. A comp that needs a second person and its match get no feed entries, and the
    policy holds its payout.
    """
    by_hand = given.by_hand
    admin_id = by_hand.admin_id if by_hand else None
    comp = _Comp(uuid4(), given.member_id, given.type, given.amount, _first_status(given), awarded_by=admin_id)
    if not _insert(tx, comp, given, now):
        return None
    if by_hand:
        _insert_by_hand(tx, comp.id, by_hand, now)
    if comp.amount:
        _add_to_lifetime(tx, comp.member_id, comp.amount)
        journals.move(tx, f"award:{comp.id}", f"pool:{TREASURY}", f"owed:{TREASURY}", comp.amount, now=now)
    waits = given.needs_review or (by_hand is not None and not by_hand.alone)
    won_by = comp.text("comp_won_in_review", "prize_won_in_review") if waits else comp.text("comp_won", "prize_won")
    _tell(tx, comp, won_by, f"comp-awarded:{comp.id}", now)
    if not given.needs_review:
        _hand_over(tx, comp, now, is_news=not waits)
    won = Won(
        comp.id, comp.member_id, comp.amount, given.match_percent, in_review=given.needs_review, is_news=not waits
    )
    matches.earn(tx, won, now)
    return comp.id


def match(tx: Tx, comp_id: UUID, value: Usdt, now: datetime) -> UUID | None:
    """Give the affiliate the match of a prize whose value is known only now (of a trip, when it is chosen).

    Returns the earning's id; None when there is no affiliate, the comp is cancelled, or it was matched before: the
    first value stays. Raises NotFound.
    """
    comp = _locked(tx, comp_id)
    if comp.status == CompStatus.CANCELLED:
        return None
    won = Won(
        comp.id, comp.member_id, value, _promised_match(tx, comp_id), in_review=comp.status == CompStatus.IN_REVIEW
    )
    return matches.earn(tx, won, now)


def release(tx: Tx, comp_id: UUID, now: datetime) -> bool:
    """End a comp's review: the comp is announced and paid like any other, and so is its match. Harmless twice.

    False when the comp was not in review. Raises NotFound.
    """
    totals.lock_of_comp(tx, comp_id)
    comp = _locked(tx, comp_id)
    if comp.status != CompStatus.IN_REVIEW:
        return False
    tx.run("UPDATE comps SET status = 'pending' WHERE id = :id", id=comp.id)
    _tell(tx, comp, comp.text("comp_approved", "prize_approved"), f"comp-released:{comp.id}", now)
    _hand_over(tx, comp, now)
    matches.release(tx, comp.id, now)
    return True


def cancel(tx: Tx, comp_id: UUID, reason: str, now: datetime) -> bool:
    """Cancel an unpaid comp with its payout and its match. The member is told that it is cancelled, but not why.

    False when it was cancelled before. Raises CompPaid, PaymentUnderWay and NotFound, and then changes nothing.

    Locks the totals, the payouts and the comp in this order, as payout_confirm does.
    """
    totals.lock_of_comp(tx, comp_id)
    _lock_payouts(tx, comp_id)
    comp = _locked(tx, comp_id)
    if comp.status == CompStatus.CANCELLED:
        return False
    # Read again: a payout may have been requested while this waited for the comp's row.
    promised = _lock_payouts(tx, comp_id)
    if comp.status == CompStatus.PAID or any(payout.state is PayoutState.PAID for payout in promised):
        raise CompPaid
    if any(payout.state not in CANCELLABLE | {PayoutState.CANCELLED} for payout in promised):
        raise PaymentUnderWay
    if comp.amount:
        _add_to_lifetime(tx, comp.member_id, -comp.amount)
    for payout in promised:
        machine.cancel(tx, payout, now)
    ref = f"award-cancelled:{comp.id}"
    if comp.amount:
        journals.move(tx, ref, f"owed:{TREASURY}", f"pool:{TREASURY}", comp.amount, now=now)
    _mark_cancelled(tx, comp.id, reason, now)
    _tell(tx, comp, comp.text("comp_cancelled", "prize_cancelled"), ref, now)
    matches.cancel(tx, comp.id, now)
    return True


def pay_pending(tx: Tx, member_id: UUID, address: str, now: datetime) -> int:
    """Request the payouts of comps that waited for a wallet; returns how many. Withheld guarantees keep waiting.

    The rows are locked: a comp that is being cancelled at this moment is waited for, and then left out.
    """
    waiting = tx.all(
        _Pending,
        """
        SELECT id, amount, (SELECT awarded_by FROM manual_awards WHERE comp_id = comps.id) AS awarded_by FROM comps
        WHERE member_id = :member_id AND status = 'pending' AND amount > 0
          AND NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'comp' AND source_id = CAST(comps.id AS text))
          AND NOT (source_kind = 'guarantee' AND EXISTS (
              SELECT FROM guarantee_reviews review
              WHERE review.member_id = comps.member_id AND review.status <> 'granted'))
        ORDER BY awarded_at LIMIT :limit FOR NO KEY UPDATE OF comps
        """,
        member_id=member_id,
        limit=PENDING_MAX,
    )
    for comp in waiting:
        _request_payout(tx, member_id, comp, address, now)
    return len(waiting)


def pay_waiting(tx: Tx, member_id: UUID, now: datetime) -> int:
    """Call `pay_pending` with the member's own wallet, if there is one that may be paid now."""
    totals.lock(tx, member_id)
    address = _wallet_address(tx, member_id, now)
    return pay_pending(tx, member_id, address, now) if address else 0


def mark_paid(tx: Tx, comp_id: UUID, payer: str, payee: str, transaction_hash: str, now: datetime) -> None:
    """Record a final payment of the comp: row, totals, wallet history, notification, feed, mail. Harmless twice."""
    paid = tx.first(
        _Paid,
        """
        UPDATE comps SET status = 'paid', paid_at = :now, transaction_hash = :transaction_hash
        FROM members
        WHERE comps.id = :comp_id AND comps.status = 'pending' AND members.id = comps.member_id
        RETURNING comps.member_id, comps.amount, members.email, members.full_name
        """,
        comp_id=comp_id,
        transaction_hash=transaction_hash,
        now=now,
    )
    if paid is None:
        return
    tx.run(
        "UPDATE member_totals SET comps_paid = comps_paid + :amount WHERE member_id = :member_id",
        amount=paid.amount,
        member_id=paid.member_id,
    )
    tx.run(
        """
        INSERT INTO wallet_transactions (id, member_id, type, amount, transaction_hash, from_address, to_address,
                                         status, created_at, confirmed_at, comp_id)
        VALUES (:id, :member_id, 'comp_deposit', :amount, :transaction_hash, :payer, :payee,
                'confirmed', :now, :now, :comp_id)
        """,
        id=uuid4(),
        member_id=paid.member_id,
        amount=paid.amount,
        transaction_hash=transaction_hash,
        payer=payer,
        payee=payee,
        now=now,
        comp_id=comp_id,
    )
    _tell_paid(tx, comp_id, paid, transaction_hash, now)


def _first_status(given: Award) -> str:
    return "in_review" if given.needs_review else "pending"


def _insert(tx: Tx, comp: _Comp, given: Award, now: datetime) -> int:
    return tx.run(
        """
        INSERT INTO comps (id, member_id, type, amount, status, source_kind, source_id, scan_id, scanned_at,
                           scan_number, reason, awarded_at)
        VALUES (:id, :member_id, :type, :amount, :status, :source_kind, :source_id, :scan_id, :scanned_at,
                :scan_number, :reason, :now)
        ON CONFLICT (source_kind, source_id) DO NOTHING
        """,
        id=comp.id,
        member_id=comp.member_id,
        type=comp.type,
        amount=comp.amount,
        status=comp.status,
        source_kind=given.source_kind,
        source_id=given.source_id,
        scan_id=given.scan.id if given.scan else None,
        scanned_at=given.scan.scanned_at if given.scan else None,
        scan_number=given.scan.number if given.scan else None,
        reason=dict(given.reason),
        now=now,
    )


def _insert_by_hand(tx: Tx, comp_id: UUID, by_hand: ByHand, now: datetime) -> None:
    tx.run(
        """
        INSERT INTO manual_awards (comp_id, awarded_by, value, alone, awarded_at)
        VALUES (:comp_id, :admin_id, :value, :alone, :now)
        """,
        comp_id=comp_id,
        **vars(by_hand),
        now=now,
    )


def _locked(tx: Tx, comp_id: UUID) -> _Comp:
    comp = tx.first(
        _Comp,
        """
        SELECT id, member_id, type, amount, status,
               (SELECT awarded_by FROM manual_awards WHERE comp_id = comps.id) AS awarded_by
        FROM comps WHERE id = :id FOR NO KEY UPDATE
        """,
        id=comp_id,
    )
    if comp is None:
        raise NotFound
    return comp


def _promised_match(tx: Tx, comp_id: UUID) -> int | None:
    return tx.scalar_or_none(
        int, "SELECT CAST(reason ->> 'match_percent' AS integer) AS percent FROM comps WHERE id = :id", id=comp_id
    )


def _lock_payouts(tx: Tx, comp_id: UUID) -> list[Payout]:
    """The payouts of the comp, locked."""
    return machine.of_sources(tx, {"comp": str(comp_id)})


def _mark_cancelled(tx: Tx, comp_id: UUID, reason: str, now: datetime) -> None:
    tx.run(
        "UPDATE comps SET status = 'cancelled', cancelled_at = :now, cancel_reason = :reason WHERE id = :id",
        id=comp_id,
        reason=reason,
        now=now,
    )


def _add_to_lifetime(tx: Tx, member_id: UUID, amount: Usdt) -> None:
    tx.run(
        "UPDATE member_totals SET lifetime_comps = lifetime_comps + :amount WHERE member_id = :member_id",
        amount=amount,
        member_id=member_id,
    )


def _hand_over(tx: Tx, comp: _Comp, now: datetime, *, is_news: bool = True) -> None:
    """Give the comp to its winner: feed (if it is news), casino instructions, payout (if there is a wallet)."""
    if is_news:
        code, values = comp.text("someone_won", "someone_won_prize")
        feed.publish(tx, "comp_awarded", texts.say(code, **values), comp.amount, f"comp-awarded:{comp.id}", now=now)
    if comp.type is CompType.CASINO:
        _send_instructions(tx, comp, now)
    address = _wallet_address(tx, comp.member_id, now) if comp.amount else None
    if address:
        _request_payout(tx, comp.member_id, _Pending(comp.id, comp.amount, comp.awarded_by), address, now)


def _send_instructions(tx: Tx, comp: _Comp, now: datetime) -> None:
    """Mail the winner how to redeem the casino package; once per comp."""
    winner = tx.one(_Addressee, "SELECT email, full_name FROM members WHERE id = :id", id=comp.member_id)
    parameters = {
        "name": winner.full_name,
        "package": str(comp.amount),
        "value": str(CASINO_PACKAGE_VALUE),
        "comp_id": str(comp.id),
    }
    letter = Letter(
        winner.email, winner.full_name, "casino_won", parameters, f"casino-won:{comp.id}", member_id=comp.member_id
    )
    mails.queue(tx, letter, now)


def _tell(tx: Tx, comp: _Comp, text: tuple[str, dict[str, object]], key: str, now: datetime) -> None:
    code, values = text
    data = {"comp_id": str(comp.id), "type": comp.type.value}
    notifications.notify(tx, notifications.note(comp.member_id, code, data, key, **values), now)


def _wallet_address(tx: Tx, member_id: UUID, now: datetime) -> str | None:
    """The address to which the member's comps are paid; None without a wallet, or while a changed one rests.

    The caller has locked the member's totals, as code that links a wallet does: each sees what the other did.
    """
    found = tx.one(_Wallet, "SELECT wallet_address, wallet_rests_until FROM members WHERE id = :id", id=member_id)
    return None if found.wallet_rests_until and found.wallet_rests_until > now else found.wallet_address


def _request_payout(tx: Tx, member_id: UUID, comp: _Pending, address: str, now: datetime) -> None:
    machine.request(
        tx,
        Promise(
            treasury=TREASURY,
            source_kind="comp",
            source_id=str(comp.id),
            recipient_address=address,
            amount=comp.amount,
            member_id=member_id,
            scope="comps",
            idempotency_key=str(comp.id),
            requested_by=comp.awarded_by,
        ),
        now,
    )


def _tell_paid(tx: Tx, comp_id: UUID, paid: _Paid, transaction_hash: str, now: datetime) -> None:
    data = {"comp_id": str(comp_id), "transaction_hash": transaction_hash}
    key = f"comp-paid:{comp_id}"
    notifications.notify(tx, notifications.note(paid.member_id, "comp_paid", data, key, amount=paid.amount), now)
    feed.publish(tx, "comp_paid", texts.say("someone_was_paid", amount=paid.amount), paid.amount, key, now=now)
    parameters = {"name": paid.full_name, "amount": str(paid.amount), "transaction_hash": transaction_hash}
    mails.queue(tx, Letter(paid.email, paid.full_name, "comp_paid", parameters, key, member_id=paid.member_id), now)
