"""Where an order goes: sealed in its row, because only the age check, the warehouse and the buyer need it."""

import json
from dataclasses import asdict, dataclass
from uuid import UUID

from shared.credentials import vault
from shared.db import Tx


@dataclass(frozen=True)
class Doorstep:
    """The recipient, who is the member themselves, and the part of the address that the row does not show."""

    recipient: str
    line1: str
    line2: str
    city: str

    def __repr__(self) -> str:
        return "Doorstep(...)"  # it must not get into a log


def seal(tx: Tx, order_id: UUID, doorstep: Doorstep) -> bytes:
    """Encrypt the address for its order."""
    return vault.seal(tx, json.dumps(asdict(doorstep)).encode(), _row(order_id))


def unseal(tx: Tx, order_id: UUID, sealed: bytes) -> Doorstep:
    """Decrypt the address of an order."""
    return Doorstep(**json.loads(vault.unseal(tx, sealed, _row(order_id))))


def _row(order_id: UUID) -> str:
    return f"orders:{order_id}"
