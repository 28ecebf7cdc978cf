"""Checks the terms of a payout before it is promised; each kind of refusal has its own exception."""

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
    token: bool
    signer: bool


def check(tx: Tx, recipient_address: str, amount: Usdt, *, to_next_key: bool = False) -> None:
    """Check a recipient and an amount; raises the BadTerms that fits.

    Only a rotation (`to_next_key`) may pay a key of ours; the schema makes sure that it is the treasury's next key.
    """
    if amount <= ZERO:
        raise NothingToPay(str(amount))
    if recipient_address.lower() == ZERO_ADDRESS:
        raise PaysNobody(recipient_address)
    ours = tx.one(
        _Ours,
        """
        SELECT EXISTS (SELECT FROM treasuries WHERE lower(token_address) = lower(:address)) AS token,
               EXISTS (SELECT FROM signers WHERE lower(address) = lower(:address)) AS signer
        """,
        address=recipient_address,
    )
    if ours.token:
        raise PaysTheToken(recipient_address)
    if ours.signer and not to_next_key:
        raise PaysATreasury(recipient_address)
