"""Moves a treasury to its next key: the older one finishes its open payouts, hands its money over, and is retired."""

from functions.payout_recover import store
from shared import clock, db, log
from shared.db import Tx
from shared.payouts import machine, slots
from shared.payouts.machine import ROTATION, Promise, TermsDiffer
from shared.payouts.signing import HeldKey
from shared.values.money import Usdt


def advance(key: HeldKey) -> None:
    """Wait for the open nonces, then send the remaining money to the next key; without any left, retire the key."""
    address = key.signer.address
    if db.atomically(slots.lowest_open, address) is not None:
        log.info("a key drains", signer=address, treasury=key.treasury.name)
        return
    left = Usdt(key.nodes.token_balance(key.treasury.token_address, address))
    if left:
        try:
            db.atomically(_hand_over, key, left)
        except TermsDiffer:
            log.warning("money came to a key that drains", signer=address, treasury=key.treasury.name)
        return
    db.atomically(store.retire, address)
    log.warning("a key is retired", signer=address, treasury=key.treasury.name)


def _hand_over(tx: Tx, key: HeldKey, left: Usdt) -> None:
    """Request one payout per nonce of the older key; repeating it is harmless until the payment is final. Raises
    TermsDiffer when more money has come since it was requested.
    """
    nonce = slots.next_nonce(tx, key.signer.address)
    source = f"{key.signer.address.lower()}:{nonce}"
    recipient = store.next_key(tx, key.treasury.name)
    promise = Promise(
        key.treasury.name, ROTATION, source, recipient, left, member_id=None, scope=ROTATION, idempotency_key=source
    )
    machine.request(tx, promise, clock.now())
