"""Held payouts whose cause is gone are sent on, first requested first; the policy judges them anew."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from functions.payout_confirm import store
from functions.payout_confirm.store import Place
from shared import db, log, payout_fees, payout_queue, payout_slots, payouts, settings
from shared.db import Tx
from shared.money import Usdt
from shared.payout_queue import Held
from shared.payouts import HoldReason
from shared.ports import chain
from shared.ports.chain import Chain, ChainUnreachable

RELEASED_MAX = 100  # per treasury and sweep: as many as its queue lets go in a minute


def sweep(now: datetime) -> None:
    """All treasuries that hold something alone. A chain that does not answer changes nothing."""
    for place in db.atomically(store.places):
        if place.paused:
            continue
        held = db.atomically(partial(payout_queue.held_alone, treasury=place.treasury, limit=RELEASED_MAX))
        try:
            free = _freed(place, held, chain.connect(), now)
        except ChainUnreachable as error:
            log.warning("the chain cannot be read", treasury=place.treasury, reason=str(error))
            continue
        db.atomically(partial(_send, place=place, free=free, now=now))


def _send(tx: Tx, place: Place, free: Sequence[Held], now: datetime) -> None:
    for payout in free:
        log.info("a hold has ended", payout_id=payout.id, treasury=place.treasury, reason=payout.hold_reason)
        payouts.send_soon(tx, payout.id, place.treasury, now)


def _freed(place: Place, held: Sequence[Held], nodes: Chain, now: datetime) -> list[Held]:
    """Those whose cause is gone, in order."""
    reasons = {payout.hold_reason for payout in held}
    freed = [payout for payout in held if payout.hold_reason in (HoldReason.PAUSED, HoldReason.REVIEW)]
    if HoldReason.BLOCKED in reasons:
        theirs = [payout for payout in held if payout.hold_reason is HoldReason.BLOCKED]
        blocked = nodes.blocked(place.token_address, [payout.recipient_address for payout in theirs])
        freed += [payout for payout in theirs if payout.recipient_address not in blocked]
    if HoldReason.FUNDS in reasons:
        committed = db.atomically(lambda tx: payout_queue.committed(tx, place.treasury))
        free = Usdt(nodes.token_balance(place.token_address, place.signer)) - committed.set_aside
        freed += _as_far_as(held, HoldReason.FUNDS, free)
    if HoldReason.LIMIT in reasons:
        limits = db.atomically(lambda tx: settings.load(tx).payouts.limits[place.treasury])
        gone = db.atomically(lambda tx: payout_queue.let_go_in_an_hour(tx, place.treasury, now))
        freed += _as_far_as(held, HoldReason.LIMIT, limits.hour - gone)
    if HoldReason.GAS in reasons:
        theirs = [payout for payout in held if payout.hold_reason is HoldReason.GAS]
        freed += theirs[: _affordable(place, nodes)]
    return sorted(freed, key=held.index)


def _affordable(place: Place, nodes: Chain) -> int:
    bounds = db.atomically(lambda tx: settings.load(tx).payouts)
    price = payout_fees.offer(nodes.fees(), bounds.fee_gwei_max * payout_fees.GWEI)
    open_nonces = db.atomically(lambda tx: payout_slots.count_open(tx, place.signer))
    return payout_fees.affordable(nodes.gas_balance(place.signer), price, open_nonces) if price else 0


def _as_far_as(held: Sequence[Held], reason: HoldReason, amount: Usdt) -> list[Held]:
    """The first of them that the amount covers together; nobody overtakes."""
    found: list[Held] = []
    for payout in held:
        if payout.hold_reason is reason:
            if payout.amount > amount:
                break
            amount -= payout.amount
            found.append(payout)
    return found
