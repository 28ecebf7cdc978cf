"""Comps: awarding them and paying them out. A comp is promised once per source, whoever asks and however often."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared import feed, ledger, mails, notifications, payouts
from shared.db import Tx
from shared.mails import Letter
from shared.money import Usdt
from shared.notifications import Note
from shared.payouts import Promise
from shared.prizes import CompType

TREASURY = "member"  # comps are paid from the member pool
PENDING_MAX = 500  # unpaid comps that linking a wallet pays at once; nobody has as many


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
class _Pending:
    id: UUID
    amount: Usdt


@dataclass(frozen=True)
class _Paid:
    member_id: UUID
    amount: Usdt
    email: str
    full_name: str


def award(tx: Tx, given: Award, now: datetime) -> UUID | None:
    """Promise a comp: row, ledger, totals, notification, feed; the payout too when the member has a wallet.

    None when this source was awarded before.
    """
    identity = uuid4()
    if not _insert(tx, identity, given, now):
        return None
    if given.amount:
        ledger.move(tx, f"award:{identity}", f"pool:{TREASURY}", f"owed:{TREASURY}", given.amount, now)
    tx.run(
        "UPDATE member_totals SET lifetime_comps = lifetime_comps + :amount WHERE member_id = :member_id",
        amount=given.amount,
        member_id=given.member_id,
    )
    _announce(tx, identity, given, now)
    if given.amount and not given.needs_review:
        address = _wallet_address(tx, given.member_id)
        if address:
            _request_payout(tx, given.member_id, _Pending(identity, given.amount), address, now)
    return identity


def pay_pending(tx: Tx, member_id: UUID, address: str, now: datetime) -> int:
    """Request the payouts that waited for a wallet; how many comps that were."""
    waiting = tx.all(
        _Pending,
        """
        SELECT id, amount FROM comps
        WHERE member_id = :member_id AND status = 'pending' AND amount > 0
          AND NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'comp' AND source_id = CAST(comps.id AS text))
        ORDER BY awarded_at LIMIT :limit
        """,
        member_id=member_id,
        limit=PENDING_MAX,
    )
    for comp in waiting:
        _request_payout(tx, member_id, comp, address, now)
    return len(waiting)


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


def _insert(tx: Tx, identity: UUID, given: Award, now: datetime) -> int:
    return tx.run(
        """
        INSERT INTO comps (id, member_id, type, amount, status, source_kind, source_id, scan_id, scanned_at,
                           scan_number, reason, awarded_at)
        VALUES (:id, :member_id, :type, :amount, :status, :source_kind, :source_id, :scan_id, :scanned_at,
                :scan_number, :reason, :now)
        ON CONFLICT (source_kind, source_id) DO NOTHING
        """,
        id=identity,
        member_id=given.member_id,
        type=given.type,
        amount=given.amount,
        status="in_review" if given.needs_review else "pending",
        source_kind=given.source_kind,
        source_id=given.source_id,
        scan_id=given.scan.id if given.scan else None,
        scanned_at=given.scan.scanned_at if given.scan else None,
        scan_number=given.scan.number if given.scan else None,
        reason=dict(given.reason),
        now=now,
    )


def _announce(tx: Tx, identity: UUID, given: Award, now: datetime) -> None:
    prize = f"${given.amount.decimal:,f}".removesuffix(".00") if given.amount else given.type.replace("_", " ")
    data = {"comp_id": str(identity), "type": given.type.value}
    body = "It waits for review." if given.needs_review else "It is on its way to your wallet."
    notifications.notify(
        tx, Note(given.member_id, "comp", f"You won {prize}!", body, data, f"comp-awarded:{identity}"), now
    )
    if not given.needs_review:
        feed.publish(tx, "comp_awarded", f"Someone won {prize}!", given.amount, f"comp-awarded:{identity}", now)


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
