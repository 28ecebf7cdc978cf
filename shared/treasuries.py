"""The three treasuries as people watch them: their keys, what was promised, and whom to wake."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared import mails
from shared.db import Tx
from shared.mails import Letter
from shared.money import Usdt

TREASURIES = ("member", "affiliate", "wholesale")
AVERAGED_PAYOUTS = 100
GAS_PER_TRANSFER = 120_000  # the limit of a payout's transaction, of which it uses about half
CRITICAL_PAYOUTS = 20  # a treasury that covers fewer of them needs somebody now


@dataclass(frozen=True)
class Key:
    """A key of a treasury, and the chain and token it moves. A draining one may still hold money."""

    address: str
    treasury: str
    status: str
    next_nonce: int
    chain_id: int
    token_address: str


@dataclass(frozen=True)
class Notice:
    """What treasury admins are told by mail; two of one `dedupe_key` are one."""

    subject: str
    what: str
    remedy: str
    dedupe_key: str


@dataclass(frozen=True)
class Forecast:
    """How many payouts of the average amount, at the present gas price, each kind of money still covers.

    None where there is nothing to reckon with.
    """

    by_usdt: int | None
    by_gas: int | None

    @property
    def payouts(self) -> int | None:
        """What runs out first counts."""
        known = [number for number in (self.by_usdt, self.by_gas) if number is not None]
        return min(known) if known else None


@dataclass(frozen=True)
class _Person:
    id: UUID
    email: str
    full_name: str


@dataclass(frozen=True)
class _Average:
    average: Usdt | None


def keys(tx: Tx) -> list[Key]:
    """Every key that may hold money, oldest first within its treasury."""
    return tx.all(
        Key,
        """
        SELECT s.address, s.treasury, s.status, s.next_nonce, t.chain_id, t.token_address
        FROM signers s JOIN treasuries t ON t.name = s.treasury
        ORDER BY s.treasury, s.created_at, s.address
        """,
    )


def average_payout(tx: Tx, treasury: str) -> Usdt | None:
    """Of the last payouts that were paid, rounded down; None before the first."""
    return tx.one(
        _Average,
        """
        SELECT CAST(floor(avg(amount)) AS bigint) AS average FROM (
            SELECT amount FROM payouts WHERE treasury = :treasury AND state = 'PAID'
            ORDER BY paid_at DESC LIMIT :limit
        ) AS last_paid
        """,
        treasury=treasury,
        limit=AVERAGED_PAYOUTS,
    ).average


def forecast(free: Usdt, average: Usdt | None, gas_wei: int, gas_price_wei: int | None) -> Forecast:
    """How long it lasts."""
    return Forecast(
        by_usdt=max(free.micro, 0) // average.micro if average else None,
        by_gas=gas_wei // (gas_price_wei * GAS_PER_TRANSFER) if gas_price_wei else None,
    )


def tell_admins(tx: Tx, notice: Notice, now: datetime) -> None:
    """A mail to everybody who may approve: treasury admins and owners."""
    people = tx.all(
        _Person,
        """
        SELECT id, email, full_name FROM members WHERE role IN ('treasury', 'owner') AND status = 'active' ORDER BY id
        """,
    )
    parameters = {"subject": notice.subject, "what": notice.what, "remedy": notice.remedy}
    for person in people:
        key = f"{notice.dedupe_key}:{person.id}"
        mails.queue(tx, Letter(person.email, person.full_name, "treasury_notice", parameters, key, person.id), now)
