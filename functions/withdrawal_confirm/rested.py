"""Pays comps, and what affiliates earned, to wallets that replaced another one and have rested for a day."""

from datetime import datetime
from uuid import UUID

from functions.withdrawal_confirm import store
from shared import db, log
from shared.affiliates import payouts as affiliate_payouts
from shared.comps import awards, totals
from shared.db import Tx
from shared.sweep import Sweep

MEMBERS_MAX = 500  # per run; the next run continues


def pay(now: datetime) -> None:
    """Pay every member whose wallet has rested; one member's failure leaves the others alone."""
    with Sweep() as sweep:
        members = db.atomically(store.rested, now, MEMBERS_MAX)
        sweep.each(members, lambda member_id: _served(member_id, now), str)


def _served(member_id: UUID, now: datetime) -> None:
    requested = db.atomically(_pay, member_id, now)
    log.info("a wallet has rested", member_id=member_id, comps=requested)


def _pay(tx: Tx, member_id: UUID, now: datetime) -> int:
    """Pay the pending comps; returns how many. 0 if another run was faster, or another wallet rests now."""
    totals.lock(tx, member_id)
    address = store.end_rest(tx, member_id, now)
    if address is None:
        return 0
    affiliate_payouts.pay_owed(tx, member_id, address, now)
    return awards.pay_pending(tx, member_id, address, now)
