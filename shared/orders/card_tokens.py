"""The token of a card, sealed and bound to its payment until it is spent."""

from collections.abc import Mapping
from uuid import UUID

from shared.credentials import vault
from shared.db import Tx


def seal(tx: Tx, payment_id: UUID, token: str) -> bytes:
    """The token as `payments.token` has it."""
    return seal_all(tx, {payment_id: token})[payment_id]


def seal_all(tx: Tx, tokens: Mapping[UUID, str]) -> dict[UUID, bytes]:
    """The tokens of payments, as `payments.token` has them."""
    sealed = vault.seal_all(tx, {_row(payment_id): token.encode() for payment_id, token in tokens.items()})
    return {payment_id: sealed[_row(payment_id)] for payment_id in tokens}


def unseal(tx: Tx, payment_id: UUID, sealed: bytes) -> str:
    """The token of a payment."""
    return vault.unseal(tx, sealed, _row(payment_id)).decode()


def _row(payment_id: UUID) -> str:
    return f"payments:{payment_id}"
