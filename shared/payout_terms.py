"""What is refused before it becomes a promise: each reason is its own, and nothing is written."""

from dataclasses import dataclass

from shared.db import Tx
from shared.money import ZERO, Usdt

ZERO_ADDRESS = "0x" + "0" * 40


class BadTerms(Exception):
    """No payout can be promised on these terms."""


class NothingToPay(BadTerms):
    """The amount is zero or less."""


class PaysNobody(BadTerms):
    """The recipient is the zero address: the money would be burnt."""


class PaysTheToken(BadTerms):
    """The recipient is a token's contract: the money would be lost in it."""


class PaysATreasury(BadTerms):
    """The recipient is a key of the platform: the money would go round in circles."""


@dataclass(frozen=True)
class _Ours:
    token: bool
    signer: bool


def check(tx: Tx, recipient_address: str, amount: Usdt, *, to_next_key: bool = False) -> None:
    """Raises the BadTerms that fits. Only a rotation pays a key of ours; the schema holds it to the next one."""
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
