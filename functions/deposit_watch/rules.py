"""Decides for which request a transfer has come. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.values.money import Usdt

Way = Literal["hash", "amount", "sender"]


@dataclass(frozen=True)
class Asked:
    """A request that a transfer may be for. Wallets are in lower case; a closed one waits for nothing any more.
    `has_tail`: its amount is nobody else's. `is_named`: we have prepared this very transaction for it.
    """

    payment_id: UUID
    amount: Usdt
    wallet: str
    after_block: int
    is_open: bool
    has_tail: bool
    is_named: bool


@dataclass(frozen=True)
class Arrival:
    """A transfer to a key of the shop's; the sender is in lower case."""

    transaction_hash: str
    log_index: int
    sender: str
    amount: Usdt
    block_number: int


@dataclass(frozen=True)
class Match:
    """The request that a transfer is for, and by what that is known."""

    payment_id: UUID
    way: Way


def match(came: Arrival, asked: Sequence[Asked]) -> Match | None:
    """The request that the transfer is for: the one for which it was prepared; else the one of its exact amount, open
    ones first and then the newest; else the only open one of its sender. None if people must say. Requests that are
    younger than its block do not count, and only what was prepared for it is for a request without a tail.

    `asked` has the newest first.
    """
    before = [it for it in asked if it.after_block < came.block_number]
    named = [it for it in asked if it.is_named]
    if named:
        return Match(named[0].payment_id, "hash")
    exact = sorted((it for it in before if it.has_tail and it.amount == came.amount), key=lambda it: not it.is_open)
    if exact:
        return Match(exact[0].payment_id, "amount")
    of_sender = [it for it in before if it.is_open and it.wallet == came.sender]
    return Match(of_sender[0].payment_id, "sender") if len(of_sender) == 1 and of_sender[0].has_tail else None
