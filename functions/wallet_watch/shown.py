"""Decides which transfers a member's history shows, from the transfers and addresses alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.ports.polygon.nodes import Movement
from shared.values.money import Usdt

SHOWN_MIN = Usdt(10_000)  # a cent: less is sent to strangers so that a look-alike address gets into their history

Kind = Literal["external_deposit", "oobit_spend"]


@dataclass(frozen=True)
class Shown:
    """A transfer as the owner of a wallet sees it. The address of the wallet is in lower case."""

    kind: Kind
    wallet: str
    moved: Movement


def ends(moved: Sequence[Movement], cards: Collection[str]) -> set[str]:
    """The addresses that may be wallets of members: every recipient, and who has paid the card's provider."""
    return {it.recipient for it in moved} | {it.sender for it in moved if it.recipient in cards}


def shown(
    moved: Sequence[Movement], wallets: Collection[str], ours: Collection[str], cards: Collection[str]
) -> list[Shown]:
    """Return what the owners of `wallets` see of some transfers.

    What a treasury of ours has sent (`ours`, all keys that they have or had) is shown by whoever has sent it, and what
    is paid to one belongs to an order. `cards` are the addresses of the card's provider.
    """
    found = []
    for it in moved:
        if it.amount_micro < SHOWN_MIN.micro or it.sender == it.recipient:
            continue
        if it.recipient in wallets and it.sender not in ours:
            found.append(Shown("external_deposit", it.recipient, it))
        if it.sender in wallets and it.recipient in cards:
            found.append(Shown("oobit_spend", it.sender, it))
    return found
