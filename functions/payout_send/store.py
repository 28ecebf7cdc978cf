"""What is asked before a payout goes on: which addresses are the platform's own, and when it was signed last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx


@dataclass(frozen=True)
class _Address:
    address: str


def ours(tx: Tx, addresses: Sequence[str]) -> frozenset[str]:
    """Those that are a treasury's key or a token's contract: nobody's wallet. In lower case."""
    rows = tx.all(
        _Address,
        """
        SELECT lower(address) AS address FROM signers
        WHERE lower(address) = ANY(CAST(:addresses AS text[]))
        UNION SELECT lower(token_address) FROM treasuries
        WHERE lower(token_address) = ANY(CAST(:addresses AS text[]))
        """,
        addresses=[address.lower() for address in addresses],
    )
    return frozenset(row.address for row in rows)


@dataclass(frozen=True)
class SignedAt:
    """When the newest of a slot's attempts was signed."""

    signed_at: datetime


def last_signed_at(tx: Tx, signer: str, nonce: int) -> datetime:
    """Of a slot that has attempts."""
    return tx.one(
        SignedAt,
        """
        SELECT signed_at FROM payout_attempts WHERE signer = :signer AND nonce = :nonce
        ORDER BY position DESC LIMIT 1
        """,
        signer=signer,
        nonce=nonce,
    ).signed_at
