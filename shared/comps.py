"""Comps: awarding them and paying them out. A comp is promised once per source, whoever asks and however often."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared import feed, ledger, mails, matches, notifications, payouts
from shared.db import Tx
from shared.mails import Letter
from shared.matches import Won
from shared.money import Usdt
from shared.notifications import Note
from shared.payouts import CANCELLABLE, Payout, PayoutState, Promise
from shared.prizes import CASINO_PACKAGE_VALUE, CompType, casino_package, dollars
from shared.problems import NotFound, Problem

TREASURY = "member"  # comps are paid from the member pool
PENDING_MAX = 500  # unpaid comps that linking a wallet pays at once; nobody has as many


class CompPaid(Problem):
    """The money is in a wallet: nobody can take it back."""

    status, title = 409, "This comp or its match has been paid."


class PaymentUnderWay(Problem):
    """A signed transaction may exist; whether it pays is for the chain to say."""

    status, title = 409, "A payment of this comp may be on the chain already."


@dataclass(frozen=True)
class ScanReference:
    """The scan that won a comp."""

    id: UUID
    scanned_at: datetime
    number: int


@dataclass(frozen=True)
class Award:
    """A comp to be given. `source_kind` and `source_id` say what for, once; `reason` keeps the inputs of the rule."""

    member_id: UUID
    type: CompType
    amount: Usdt
    source_kind: str
    source_id: str
    reason: Mapping[str, object]
    scan: ScanReference | None = None
    needs_review: bool = False


@dataclass(frozen=True)
class _Wallet:
    wallet_address: str | None


@dataclass(frozen=True)
class _Comp:
    id: UUID
    member_id: UUID
    type: CompType
    amount: Usdt
    status: str

    @property
    def prize(self) -> str:
        """As people say it: $100, or the kind of prize where there is no amount."""
        return dollars(self.amount) if self.amount else self.type.replace("_", " ")

    @property
    def next_step(self) -> str:
        """What its winner can expect."""
        return "It is on its way to your wallet." if self.amount else "It waits for you in the app."


@dataclass(frozen=True)
class _Pending:
    id: UUID
    amount: Usdt


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


@dataclass(frozen=True)
class _Id:
    id: UUID


def award(tx: Tx, given: Award, now: datetime) -> UUID | None:
    """Promise a comp: row, totals, ledger, match, notification, feed; the payout too when the member has a wallet.

    One that needs a review waits for it: no feed, no payout. None when this source was awarded before.
    """
    comp = _Comp(uuid4(), given.member_id, given.type, given.amount, _first_status(given))
    if not _insert(tx, comp, given, now):
        return None
    if comp.amount:
        _add_to_lifetime(tx, comp.member_id, comp.amount)
        ledger.move(tx, f"award:{comp.id}", f"pool:{TREASURY}", f"owed:{TREASURY}", comp.amount, now)
    body = "It waits for review." if given.needs_review else comp.next_step
    _tell(tx, comp, f"You won {comp.prize}!", body, f"comp-awarded:{comp.id}", now)
    if not given.needs_review:
        _hand_over(tx, comp, now)
    matches.earn(tx, Won(comp.id, comp.member_id, comp.amount, in_review=given.needs_review), now)
    return comp.id


def match(tx: Tx, comp_id: UUID, value: Usdt, now: datetime) -> UUID | None:
    """Give the affiliate the match of a prize whose value is known only now (a trip, when it is chosen).

    None when there is no affiliate, the comp is cancelled, or it was matched before: the first value stays.
    """
    comp = _locked(tx, comp_id)
    if comp.status == "cancelled":
        return None
    return matches.earn(tx, Won(comp.id, comp.member_id, value, in_review=comp.status == "in_review"), now)


def release(tx: Tx, comp_id: UUID, now: datetime) -> bool:
    """A comp has passed its review: it is announced and paid like any other, its match as well. Harmless twice.

    False when it was not waiting for one. Raises NotFound.
    """
    comp = _locked(tx, comp_id)
    if comp.status != "in_review":
        return False
    tx.run("UPDATE comps SET status = 'pending' WHERE id = :id", id=comp.id)
    _tell(tx, comp, f"Your {comp.prize} comp was approved", comp.next_step, f"comp-released:{comp.id}", now)
    _hand_over(tx, comp, now)
    matches.release(tx, comp.id, now)
    return True


def cancel(tx: Tx, comp_id: UUID, reason: str, now: datetime) -> bool:
    """Take back a comp that was not paid, with its payout and its match; the member is told that, not why.

    False when it was cancelled before. Raises CompPaid, PaymentUnderWay, NotFound, and has then changed nothing.

    Locks payouts before the comp, as payout_confirm does; and the totals before the ledger, because a member's scan
    holds the totals while it waits for the global count, whose holder may want the ledger.
    """
    _lock_payouts(tx, comp_id)
    comp = _locked(tx, comp_id)
    if comp.status == "cancelled":
        return False
    promised = _lock_payouts(tx, comp_id)  # again: one may have been made while the comp's row was waited for
    if comp.status == "paid" or any(payout.state is PayoutState.PAID for payout in promised):
        raise CompPaid
    if any(payout.state not in CANCELLABLE | {PayoutState.CANCELLED} for payout in promised):
        raise PaymentUnderWay
    if comp.amount:
        _add_to_lifetime(tx, comp.member_id, -comp.amount)
    for payout in promised:
        payouts.cancel(tx, payout, now)
    ref = f"award-cancelled:{comp.id}"
    if comp.amount:
        ledger.move(tx, ref, f"owed:{TREASURY}", f"pool:{TREASURY}", comp.amount, now)
    _mark_cancelled(tx, comp.id, reason, now)
    _tell(tx, comp, f"Your {comp.prize} comp was cancelled", "Our support can tell you more.", ref, now)
    matches.cancel(tx, comp.id, now)
    return True


def pay_pending(tx: Tx, member_id: UUID, address: str, now: datetime) -> int:
    """Request the payouts that waited for a wallet; how many comps that were.

    Their rows are locked: one that is being cancelled at this moment is waited for, and left out.
    """
    waiting = tx.all(
        _Pending,
        """
        SELECT id, amount FROM comps
        WHERE member_id = :member_id AND status = 'pending' AND amount > 0
          AND NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'comp' AND source_id = CAST(comps.id AS text))
        ORDER BY awarded_at LIMIT :limit FOR NO KEY UPDATE OF comps
        """,
        member_id=member_id,
        limit=PENDING_MAX,
    )
    for comp in waiting:
        _request_payout(tx, member_id, comp, address, now)
    return len(waiting)


def lock_totals(tx: Tx, member_id: UUID) -> None:
    """For whoever is about to post a comp's payment: the totals come before the ledger, see `cancel`."""
    tx.run("SELECT FROM member_totals WHERE member_id = :member_id FOR NO KEY UPDATE", member_id=member_id)


def mark_paid(tx: Tx, comp_id: UUID, payer: str, payee: str, transaction_hash: str, now: datetime) -> None:
    """The comp's USDT is final on the chain: row, totals, wallet history, notification, feed, mail. Harmless twice."""
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
        **vars(comp),
        source_kind=given.source_kind,
        source_id=given.source_id,
        scan_id=given.scan.id if given.scan else None,
        scanned_at=given.scan.scanned_at if given.scan else None,
        scan_number=given.scan.number if given.scan else None,
        reason=dict(given.reason),
        now=now,
    )


def _locked(tx: Tx, comp_id: UUID) -> _Comp:
    comp = tx.first(
        _Comp,
        "SELECT id, member_id, type, amount, status FROM comps WHERE id = :id FOR NO KEY UPDATE",
        id=comp_id,
    )
    if comp is None:
        raise NotFound
    return comp


def _lock_payouts(tx: Tx, comp_id: UUID) -> list[Payout]:
    """Of the comp and of its match."""
    sources = {"comp": str(comp_id)}
    earning = tx.first(_Id, "SELECT id FROM affiliate_earnings WHERE comp_id = :comp_id", comp_id=comp_id)
    if earning:
        sources[matches.SOURCE] = str(earning.id)
    return payouts.of_sources(tx, sources)


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


def _hand_over(tx: Tx, comp: _Comp, now: datetime) -> None:
    """Nothing stands between the comp and its winner any more: the feed shows it, and it is paid."""
    feed.publish(tx, "comp_awarded", f"Someone won {comp.prize}!", comp.amount, f"comp-awarded:{comp.id}", now)
    if comp.type is CompType.CASINO:
        _send_instructions(tx, comp, now)
    address = _wallet_address(tx, comp.member_id) if comp.amount else None
    if address:
        _request_payout(tx, comp.member_id, _Pending(comp.id, comp.amount), address, now)


def _send_instructions(tx: Tx, comp: _Comp, now: datetime) -> None:
    """How to redeem the casino package; once per comp."""
    winner = tx.one(_Addressee, "SELECT email, full_name FROM members WHERE id = :id", id=comp.member_id)
    parameters = {
        "name": winner.full_name,
        "package": "; ".join(casino_package(comp.amount)),
        "value": dollars(CASINO_PACKAGE_VALUE),
        "comp_id": str(comp.id),
    }
    letter = Letter(winner.email, winner.full_name, "casino_won", parameters, f"casino-won:{comp.id}", comp.member_id)
    mails.queue(tx, letter, now)


def _tell(tx: Tx, comp: _Comp, title: str, body: str, key: str, now: datetime) -> None:
    data = {"comp_id": str(comp.id), "type": comp.type.value}
    notifications.notify(tx, Note(comp.member_id, "comp", title, body, data, key), now)


def _wallet_address(tx: Tx, member_id: UUID) -> str | None:
    """Shared lock: a wallet that is being linked at this moment is waited for, and finds this comp."""
    return tx.one(
        _Wallet, "SELECT wallet_address FROM members WHERE id = :member_id FOR SHARE", member_id=member_id
    ).wallet_address


def _request_payout(tx: Tx, member_id: UUID, comp: _Pending, address: str, now: datetime) -> None:
    payouts.request(
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
        ),
        now,
    )


def _tell_paid(tx: Tx, comp_id: UUID, paid: _Paid, transaction_hash: str, now: datetime) -> None:
    amount = f"${paid.amount.decimal:,f}"
    data = {"comp_id": str(comp_id), "transaction_hash": transaction_hash}
    key = f"comp-paid:{comp_id}"
    title = f"{amount} USDT is in your wallet"
    notifications.notify(tx, Note(paid.member_id, "comp", title, "The payment is final.", data, key), now)
    feed.publish(tx, "comp_paid", f"{amount} USDT paid on Polygon", paid.amount, key, now)
    parameters = {"name": paid.full_name, "amount": amount, "transaction_hash": transaction_hash}
    mails.queue(tx, Letter(paid.email, paid.full_name, "comp_paid", parameters, key, paid.member_id), now)
