"""The treasuries as people watch them: their keys, their forecast, and the mail to their admins."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.messages import mails
from shared.messages.mails import Letter
from shared.values.money import Usdt

TREASURIES = ("member", "affiliate", "wholesale", "shop")
AVERAGED_PAYOUTS = 100
GAS_PER_TRANSFER = 120_000  # the gas limit of a payout's transaction, of which it uses about half
CRITICAL_PAYOUTS = 20  # a treasury that covers fewer payouts needs a person at once


@dataclass(frozen=True)
class Key:
    """A key of a treasury, and the chain and token it moves. A draining key may still hold money."""

    address: str
    treasury: str
    status: str
    next_nonce: int
    chain_id: int
    token_address: str


@dataclass(frozen=True)
class TreasuryNotice:
    """A mail to treasury admins; two notices of one `dedupe_key` are sent once."""

    subject: str
    what: str
    remedy: str
    dedupe_key: str


@dataclass(frozen=True)
class Forecast:
    """How many payouts of the average amount the free USDT covers, and how many the gas at its present price.

    A number is None when there is nothing to calculate it from.
    """

    by_usdt: int | None
    by_gas: int | None

    @property
    def payouts(self) -> int | None:
        """The smaller of the two numbers: what runs out first counts."""
        known = [number for number in (self.by_usdt, self.by_gas) if number is not None]
        return min(known) if known else None


@dataclass(frozen=True)
class _Person:
    id: UUID
    email: str
    full_name: str


def keys(tx: Tx) -> list[Key]:
    """Every key, also retired ones (money may come to their addresses), by treasury, oldest first."""
    return tx.all(
        Key,
        """
        SELECT s.address, s.treasury, s.status, s.next_nonce, t.chain_id, t.token_address
        FROM signers s JOIN treasuries t ON t.name = s.treasury
        ORDER BY s.treasury, s.created_at, s.address
        """,
    )


def average_payout(tx: Tx, treasury: str) -> Usdt | None:
    """The average of the last AVERAGED_PAYOUTS paid payouts, rounded down; None before the first."""
    return tx.scalar_or_none(
        Usdt,
        """
        SELECT CAST(floor(avg(amount)) AS bigint) AS average FROM (
            SELECT amount FROM payouts WHERE treasury = :treasury AND state = 'PAID'
            ORDER BY paid_at DESC LIMIT :limit
        ) AS last_paid
        """,
        treasury=treasury,
        limit=AVERAGED_PAYOUTS,
    )


def forecast(free: Usdt, average: Usdt | None, gas_wei: int, gas_price_wei: int | None) -> Forecast:
    return Forecast(
        by_usdt=max(free.micro, 0) // average.micro if average else None,
        by_gas=gas_wei // (gas_price_wei * GAS_PER_TRANSFER) if gas_price_wei else None,
    )


def tell_admins(tx: Tx, notice: TreasuryNotice, now: datetime) -> None:
    """Queue a mail to everybody who may approve: active treasury admins and owners."""
    people = tx.all(
        _Person,
        """
        SELECT id, email, full_name FROM members WHERE role IN ('treasury', 'owner') AND status = 'active' ORDER BY id
        """,
    )
    parameters = {"subject": notice.subject, "what": notice.what, "remedy": notice.remedy}
    for person in people:
        key = f"{notice.dedupe_key}:{person.id}"
        mails.queue(
            tx, Letter(person.email, person.full_name, "treasury_notice", parameters, key, member_id=person.id), now
        )
