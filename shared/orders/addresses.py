"""Where an order goes: the address as it is stored, and the two forms by which addresses are compared.

An order's address is sealed and bound to its order. `place` is the same for addresses that differ in capitals and
blanks: a tax quote rests on it. `doorstep` is the same also for other spellings of one door: tins are limited by it.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from shared.credentials import vault
from shared.db import Tx

# The Postal Service's abbreviations (Publication 28, appendix C) of what people write out.
ABBREVIATIONS = {
    "alley": "aly", "av": "ave", "avenue": "ave", "boulevard": "blvd", "circle": "cir", "court": "ct",
    "crossing": "xing", "drive": "dr", "east": "e", "expressway": "expy", "heights": "hts", "highway": "hwy",
    "lane": "ln", "mount": "mt", "mountain": "mtn", "north": "n", "northeast": "ne", "northwest": "nw",
    "parkway": "pkwy", "place": "pl", "plaza": "plz", "point": "pt", "road": "rd", "route": "rte", "saint": "st",
    "south": "s", "southeast": "se", "southwest": "sw", "square": "sq", "str": "st", "street": "st",
    "terrace": "ter", "trail": "trl", "turnpike": "tpke", "west": "w",
}  # fmt: skip
UNITS = frozenset({"apartment", "apt", "flat", "no", "number", "ste", "suite", "unit"})
ZIP_DIGITS = 5


@dataclass(frozen=True)
class DeliveryAddress:
    """An address in the United States; `recipient` is the member whose age was checked, `line2` may be empty."""

    recipient: str
    line1: str
    line2: str
    city: str
    state: str
    zip: str

    def __repr__(self) -> str:
        return f"DeliveryAddress({self.state}, ...)"  # the rest must not get into a log

    @property
    def place(self) -> tuple[str, ...]:
        """The parts that decide the tax, in one spelling."""
        return tuple(_plain(part) for part in (self.line1, self.line2, self.city, self.state, self.zip))

    @property
    def doorstep(self) -> str:
        """The door in one spelling: without the city, which the ZIP code has, and without the word for a unit."""
        words = re.findall(r"[^\W_]+", _plain(f"{self.line1} {self.line2}"))
        kept = (ABBREVIATIONS.get(word, word) for word in words if word not in UNITS)
        return f"{''.join(kept)}|{self.zip[:ZIP_DIGITS]}"


def seal(tx: Tx, order_id: UUID, address: DeliveryAddress) -> bytes:
    """The address as `orders.address` has it."""
    return seal_all(tx, {order_id: address})[order_id]


def seal_all(tx: Tx, to: Mapping[UUID, DeliveryAddress]) -> dict[UUID, bytes]:
    """The addresses of orders, as `orders.address` has them."""
    plain = {_row(order_id): json.dumps(asdict(address)).encode() for order_id, address in to.items()}
    sealed = vault.seal_all(tx, plain)
    return {order_id: sealed[_row(order_id)] for order_id in to}


def unseal(tx: Tx, order_id: UUID, sealed: bytes) -> DeliveryAddress:
    """The address of an order."""
    return DeliveryAddress(**json.loads(vault.unseal(tx, sealed, _row(order_id))))


def _plain(text: str) -> str:
    """The text in small letters without accents, with single blanks."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(letter for letter in letters if not unicodedata.combining(letter)).split())


def _row(order_id: UUID) -> str:
    return f"orders:{order_id}"
