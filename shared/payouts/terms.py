"""Checks the terms of a payout before it is promised; each kind of refusal has its own exception."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.db import Tx
from shared.values.money import ZERO, Usdt
from shared.values.polygon import ZERO_ADDRESS


class BadTerms(Exception):
    """Raised when no payout can be promised on these terms."""


class NothingToPay(BadTerms):
    """The amount is zero or less."""


class PaysNobody(BadTerms):
    """The recipient is the zero address: the money would be burnt."""


class PaysTheToken(BadTerms):
    """The recipient is a token's contract: the money would be lost in it."""


class PaysATreasury(BadTerms):
    """The recipient is a key of the platform: the treasury would pay itself."""


@dataclass(frozen=True)
class _Ours:
    address: str
    token: bool


def check(tx: Tx, recipient_address: str, amount: Usdt, *, to_next_key: bool = False) -> None:
    """Check a recipient and an amount; raises the BadTerms that fits.

    Only a rotation (`to_next_key`) may pay a key of ours; the schema makes sure that it is the treasury's next key.
    """
    check_amount(amount)
    check_recipients(tx, [recipient_address], to_next_key=to_next_key)


def check_amount(amount: Usdt) -> None:
    """Check an amount. Raises NothingToPay."""
    if amount <= ZERO:
        raise NothingToPay(str(amount))


def check_recipients(tx: Tx, addresses: Sequence[str], *, to_next_key: bool = False) -> None:
    """Check recipients, as `check` does. Raises PaysNobody, PaysTheToken, PaysATreasury."""
    for address in addresses:
        if address.lower() == ZERO_ADDRESS:
            raise PaysNobody(address)
    ours = tx.all(
        _Ours,
        """
        SELECT lower(token_address) AS address, true AS token FROM treasuries
        WHERE lower(token_address) = ANY(CAST(:addresses AS text[]))
        UNION ALL
        SELECT lower(address), false FROM signers WHERE lower(address) = ANY(CAST(:addresses AS text[]))
        """,
        addresses=[address.lower() for address in addresses],
    )
    for row in ours:
        if row.token:
            raise PaysTheToken(row.address)
        if not to_next_key:
            raise PaysATreasury(row.address)
