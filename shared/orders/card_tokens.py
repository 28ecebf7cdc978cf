"""The token of a card, sealed and bound to its payment until it is spent."""

from uuid import UUID

from shared.credentials import vault
from shared.db import Tx


def seal(tx: Tx, payment_id: UUID, token: str) -> bytes:
    """The token as `payments.token` has it."""
    return vault.seal(tx, token.encode(), _row(payment_id))


def unseal(tx: Tx, payment_id: UUID, sealed: bytes) -> str:
    """The token of a payment."""
    return vault.unseal(tx, sealed, _row(payment_id)).decode()


def _row(payment_id: UUID) -> str:
    return f"payments:{payment_id}"
