"""Requests of USDT: how much a buyer is asked to send and to where, and the wallet to which refunds go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from shared import settings
from shared.db import Tx
from shared.orders import tasks
from shared.orders.refusals import UsdtNotAvailable, WalletRequired
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.problems import NotValid

TAIL_RESTS = timedelta(days=180)  # before the same amount is asked of somebody else
TAILS = 9_999  # micro-USDT at most that are added to a total
ONE_AT_A_TIME = 7_500_125_002  # any constant: all who choose an amount must lock the same one


class UsdtInstructions(Reply):
    """The transfer that is awaited on Polygon until `expires_at`: exactly `amount` of the token, to `address`. `seen`
    has come but is not final yet, `received` is. What is too much or too late goes back to the wallet `refund_to`. With
    `prepared_only` only a transfer that `POST /v1/wallet/order-payments` has prepared pays the order.
    """

    address: str
    amount: str
    token_address: str
    chain_id: int
    refund_to: str
    expires_at: datetime
    prepared_only: bool
    seen: Money
    received: Money


@dataclass(frozen=True)
class Wallet:
    """A member's wallet; `rests_until` is given while one that has taken another one's place rests."""

    address: str | None
    rests_until: datetime | None


@dataclass(frozen=True)
class _Place:
    address: str
    chain_id: int
    token_address: str
    head: int


@dataclass(frozen=True)
class _UsdtPayment:
    id: UUID
    order_id: UUID
    amount: Usdt


@dataclass(frozen=True)
class _Row:
    address: str
    amount: Usdt
    token_address: str
    chain_id: int
    refund_to: str
    prepared_only: bool
    seen: Usdt
    received: Usdt


def refund_to(provider: str, token: str | None, linked: Wallet) -> str | None:
    """The wallet of who pays in USDT; None for a card or an invoice. Raises WalletRequired, and NotValid unless a card
    has a token and nothing else has one.
    """
    if (token is None) == (provider == "card"):
        message = "is needed for a card" if provider == "card" else "is for a card only"
        raise NotValid(errors=[{"field": "/payment/token", "message": message}])
    if provider != "usdt":
        return None
    if linked.address is None or linked.rests_until is not None:
        rests = linked.rests_until.isoformat() if linked.address and linked.rests_until else None
        raise WalletRequired(rests_until=rests)
    return linked.address


def wallet(tx: Tx, member_id: UUID, now: datetime) -> Wallet:
    """The member's wallet, to which what is too much or refunded goes back."""
    return tx.one(
        Wallet,
        """
        SELECT wallet_address AS address, CASE WHEN wallet_rests_until > :now THEN wallet_rests_until END AS rests_until
        FROM members WHERE id = :id
        """,
        id=member_id,
        now=now,
    )


def insert(tx: Tx, wallets: Mapping[UUID, str], now: datetime) -> None:
    """Record for each order a payment of its total in USDT, with an amount that nobody else is asked for as long as
    there are any; refunds go to the order's wallet. A task looks for what comes. Until the commit, all others who
    choose an amount wait. Raises UsdtNotAvailable.
    """
    payments = _insert_payments(tx, {order_id: uuid4() for order_id in wallets}, now)
    tx.run("SELECT pg_advisory_xact_lock(:lock)", lock=ONE_AT_A_TIME)
    place = _place(tx)
    if place is None:
        raise UsdtNotAvailable
    for payment in payments:
        _request(tx, payment, place, wallets[payment.order_id], now)
    tasks.watch_deposits(tx, now)


def pay_again(tx: Tx, order_id: UUID, wallet_address: str, now: datetime) -> None:
    """Have an order whose card was declined paid in USDT, for which it waits longer. Raises UsdtNotAvailable."""
    insert(tx, {order_id: wallet_address}, now)
    tx.run(
        "UPDATE orders SET expires_at = greatest(expires_at, CAST(:until AS timestamptz)) WHERE id = :id",
        id=order_id,
        until=now + settings.load(tx).shop.usdt_life,
    )


def _insert_payments(tx: Tx, payments: Mapping[UUID, UUID], now: datetime) -> list[_UsdtPayment]:
    """Record a payment in USDT for each order, under the given id."""
    return tx.all(
        _UsdtPayment,
        """
        INSERT INTO payments (id, order_id, provider, amount, created_at)
        SELECT given.id, orders.id, 'usdt', total_amount, :now
        FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS uuid[])) AS given (id, order_id)
        JOIN orders ON orders.id = given.order_id
        RETURNING id, order_id, amount
        """,
        ids=list(payments.values()),
        orders=list(payments),
        now=now,
    )


def _request(tx: Tx, payment: _UsdtPayment, place: _Place, refund_to: str, now: datetime) -> None:
    """Ask for the payment's amount and a free tail. Without one only a transfer that we prepare can pay."""
    tail = _free_tail(tx, payment.amount, TAILS, now - TAIL_RESTS)
    tx.run(
        """
        INSERT INTO usdt_requests (payment_id, address, chain_id, token_address, tail, amount, refund_to, after_block,
                                   opened_at)
        VALUES (:payment_id, :address, :chain_id, :token_address, :tail, :amount, :refund_to, :head, :now)
        """,
        payment_id=payment.id,
        address=place.address,
        chain_id=place.chain_id,
        token_address=place.token_address,
        tail=tail,
        amount=payment.amount + Usdt(tail or 0),
        refund_to=refund_to,
        head=place.head,
        now=now,
    )


def instructions(tx: Tx, order_id: UUID, expires_at: datetime) -> UsdtInstructions | None:
    """The request that the order waits for, as its buyer sees it; None when nothing is awaited."""
    row = tx.first(
        _Row,
        """
        SELECT address, asked.amount, token_address, chain_id, refund_to, tail IS NULL AS prepared_only, seen, received
        FROM payments JOIN usdt_requests asked ON asked.payment_id = payments.id
        WHERE payments.order_id = :order_id AND asked.closed_at IS NULL
        """,
        order_id=order_id,
    )
    if row is None:
        return None
    return UsdtInstructions(
        address=row.address,
        amount=f"{row.amount.decimal:.6f}",
        token_address=row.token_address,
        chain_id=row.chain_id,
        refund_to=row.refund_to,
        expires_at=expires_at,
        prepared_only=row.prepared_only,
        seen=row.seen,
        received=row.received,
    )


def _place(tx: Tx) -> _Place | None:
    """The key that takes USDT, and the newest block that deposit_watch has seen; None before it has seen one."""
    return tx.first(
        _Place,
        """
        SELECT s.address, t.chain_id, t.token_address, greatest(c.scanned_to, c.head) AS head
        FROM treasuries t JOIN signers s ON s.treasury = t.name AND s.status = 'active'
        JOIN chain_scans c ON c.signer = s.address AND c.head IS NOT NULL
        WHERE t.name = 'shop'
        """,
    )


def _free_tail(tx: Tx, total: Usdt, tails: int, since: datetime) -> int | None:
    """A tail that no open request has, and whose sum with the total nobody was asked for since: first those that never
    were in use, then those that were freed first. None if there is none.
    """
    return tx.scalar_or_none(
        int,
        """
        SELECT tails.tail FROM generate_series(1, CAST(:tails AS integer)) AS tails (tail)
        WHERE NOT EXISTS (SELECT FROM usdt_requests taken WHERE taken.tail = tails.tail AND taken.closed_at IS NULL)
          AND NOT EXISTS (SELECT FROM usdt_requests former
                          WHERE former.amount = CAST(:total AS bigint) + tails.tail AND former.closed_at > :since)
        ORDER BY (SELECT max(former.closed_at) FROM usdt_requests former WHERE former.tail = tails.tail) NULLS FIRST,
                 tails.tail
        LIMIT 1
        """,
        total=total,
        tails=tails,
        since=since,
    )
