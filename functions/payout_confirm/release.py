"""Releases payouts whose cause of a hold is gone, oldest request first; the policy checks them again."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from functions.payout_confirm import store
from functions.payout_confirm.store import Held, TreasuryWithHolds
from shared import db, log, settings
from shared.db import Tx
from shared.payouts import machine, queue, slots
from shared.payouts.machine import HoldReason
from shared.ports.polygon import chain
from shared.ports.polygon.chain import Chain
from shared.ports.polygon.failures import ChainUnreachable
from shared.sweep import Sweep
from shared.values import gas
from shared.values.money import Usdt
from shared.values.polygon import GWEI

ENDED_BEFORE = frozenset({HoldReason.PAUSED, HoldReason.REVIEW, HoldReason.SUSPENDED})  # nothing else is asked of them
HELD_MAX = 100  # payouts of a treasury and a reason per sweep: as many as its queue lets go in a minute


def sweep(now: datetime) -> None:
    """Queue payout_send for held payouts that need no approval and whose cause is gone, in treasuries that are not
    paused. If the chain does not answer, nothing changes.
    """
    with Sweep() as treasuries:
        places = [place for place in db.atomically(store.treasuries_with_holds) if not place.paused]
        treasuries.each(places, lambda place: _release(place, now), lambda place: place.treasury)


def _release(place: TreasuryWithHolds, now: datetime) -> None:
    held = db.atomically(store.held_alone, place.treasury, now, HELD_MAX)
    try:
        free = _freed(place, held, chain.connect(), now)
    except ChainUnreachable as error:
        log.warning("the chain cannot be read", treasury=place.treasury, reason=str(error))
        return
    db.atomically(_send, place, held, free, now)


def _send(tx: Tx, place: TreasuryWithHolds, held: Sequence[Held], free: Sequence[Held], now: datetime) -> None:
    store.move_windows(tx, place.treasury, held, HELD_MAX)
    for payout in free:
        log.info("a hold has ended", payout_id=payout.id, treasury=place.treasury, reason=payout.hold_reason)
        machine.send_soon(tx, payout.id, place.treasury, now)


def _freed(place: TreasuryWithHolds, held: Sequence[Held], nodes: Chain, now: datetime) -> list[Held]:
    """The payouts whose cause of the hold is gone, in order."""
    reasons = {payout.hold_reason for payout in held}
    freed = [payout for payout in held if payout.hold_reason in ENDED_BEFORE]
    if HoldReason.BLOCKED in reasons:
        theirs = [payout for payout in held if payout.hold_reason is HoldReason.BLOCKED]
        blocked = nodes.blocked(place.token_address, [payout.recipient_address for payout in theirs])
        freed += [payout for payout in theirs if payout.recipient_address not in blocked]
    if HoldReason.FUNDS in reasons:
        committed = db.atomically(queue.committed, place.treasury)
        free = Usdt(nodes.token_balance(place.token_address, place.signer)) - committed.set_aside
        freed += _as_far_as(held, HoldReason.FUNDS, free)
    if HoldReason.LIMIT in reasons:
        for limited_by, room in db.atomically(partial(_room, treasury=place.treasury, now=now)).items():
            theirs = [payout for payout in held if payout.limited_by == limited_by]
            freed += _as_far_as(theirs, HoldReason.LIMIT, room)
    if HoldReason.GAS in reasons:
        theirs = [payout for payout in held if payout.hold_reason is HoldReason.GAS]
        freed += theirs[: _affordable(place, nodes)]
    return sorted(freed, key=held.index)


def _room(tx: Tx, treasury: str, now: datetime) -> dict[str, Usdt]:
    """The amount that each limit leaves: the day starts at 00:00 UTC, the hour is the last sixty minutes."""
    limits = settings.load(tx).payouts.limits[treasury]
    hour = queue.reserved_last_hour(tx, treasury, now)
    today = queue.approved_today(tx, treasury, now)
    return {"day": limits.day - today, "hour": limits.hour - hour.alone, "agreed": limits.hour - hour.agreed}


def _affordable(place: TreasuryWithHolds, nodes: Chain) -> int:
    bounds = db.atomically(lambda tx: settings.load(tx).payouts)
    price = gas.offer_within(nodes.fees(), bounds.fee_gwei_max * GWEI)
    open_nonces = db.atomically(slots.count_open, place.signer)
    return gas.affordable(nodes.gas_balance(place.signer), price, open_nonces) if price else 0


def _as_far_as(held: Sequence[Held], reason: HoldReason, amount: Usdt) -> list[Held]:
    """The first payouts with this reason that the amount covers together; a later one never overtakes."""
    found: list[Held] = []
    for payout in held:
        if payout.hold_reason is reason:
            if payout.amount > amount:
                break
            amount -= payout.amount
            found.append(payout)
    return found
