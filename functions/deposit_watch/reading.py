"""Reads the chain for what buyers have sent to the shop's keys, the present one and former ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from functions.deposit_watch import rules, store
from functions.deposit_watch.rules import Arrival, Asked
from shared import db
from shared.payouts import transfer_logs, treasuries
from shared.payouts.treasuries import Key
from shared.ports.polygon.nodes import Final, Nodes
from shared.values.finality import NO_BLOCK
from shared.values.money import Usdt

TREASURY = "shop"
QUESTIONS_MAX = 100  # for one key in one run; the next one goes on
UNSETTLED_BLOCKS_MAX = 2_000  # a reader that is further behind has other things to do than to show what is not final


def read(asked: Nodes) -> int:
    """Read all final logs, note the head and what is not final; returns the newest final block, or NO_BLOCK.

    Raises ChainUnreachable and other failures of the chain.
    """
    keys = [key for key in db.atomically(treasuries.keys) if key.treasury == TREASURY]
    asked.require(keys[0].chain_id)
    final = asked.final()
    for key in keys:
        if final.number != NO_BLOCK:
            transfer_logs.read_up_to(key, final.number, asked, QUESTIONS_MAX)
    _note(keys, final, asked)
    return final.number


def _note(keys: Sequence[Key], final: Final, asked: Nodes) -> None:
    """Note the head, and show the buyers what has come for them and is not final."""
    requests = db.atomically(store.open_requests)
    coming = [came for key in keys for came in _unsettled(key, final, asked)] if requests else []
    prepared = db.atomically(store.prepared, [came.transaction_hash for came in coming]) if coming else {}
    seen = _sums(coming, requests, prepared)

    def note(tx: db.Tx) -> None:
        for key in keys:
            store.note_head(tx, key.address, final.latest)
        if requests:
            store.set_seen(tx, seen)

    db.atomically(note)


def _unsettled(key: Key, final: Final, asked: Nodes) -> list[Arrival]:
    """The transfers to a key in blocks that were not read for good."""
    first = db.atomically(transfer_logs.cursor, key).scanned_to + 1
    if not 0 < final.latest - first + 1 <= UNSETTLED_BLOCKS_MAX:
        return []
    moved = asked.movements(key.token_address, recipient=key.address, first=first, last=final.latest)
    return [
        Arrival(it.transaction_hash, it.log_index, it.sender, Usdt(it.amount_micro), it.block_number) for it in moved
    ]


def _sums(coming: Sequence[Arrival], requests: Sequence[Asked], prepared: Mapping[str, UUID]) -> dict[UUID, Usdt]:
    sums: defaultdict[UUID, Usdt] = defaultdict(lambda: Usdt(0))
    for came in coming:
        asked = [replace(it, is_named=it.payment_id == prepared.get(came.transaction_hash)) for it in requests]
        if found := rules.match(came, asked):
            sums[found.payment_id] += came.amount
    return dict(sums)
