"""Move a treasury to its next key: the older one finishes what it has begun, hands its money over, and is retired."""

from functions.payout_recover import store
from shared import clock, db, log, payout_slots, payouts
from shared.db import Tx
from shared.money import Usdt
from shared.payout_signing import Key
from shared.payouts import ROTATION, Promise, TermsDiffer


def go_on(key: Key) -> None:
    """Wait for the open nonces; then send what is left to the next key; when nothing is left, retire."""
    address = key.signer.address
    if db.atomically(lambda tx: payout_slots.lowest_open(tx, address)) is not None:
        log.info("a key drains", signer=address, treasury=key.treasury.name)
        return
    left = Usdt(key.nodes.token_balance(key.treasury.token_address, address))
    if left:
        try:
            db.atomically(lambda tx: _hand_over(tx, key, left))
        except TermsDiffer:
            log.warning("money came to a key that drains", signer=address, treasury=key.treasury.name)
        return
    db.atomically(lambda tx: store.retire(tx, address))
    log.warning("a key is retired", signer=address, treasury=key.treasury.name)


def _hand_over(tx: Tx, key: Key, left: Usdt) -> None:
    """One payout per nonce of the older key; asking again is harmless, until its payment is final."""
    nonce = payout_slots.next_nonce(tx, key.signer.address)
    source = f"{key.signer.address.lower()}:{nonce}"
    recipient = store.next_key(tx, key.treasury.name)
    promise = Promise(key.treasury.name, ROTATION, source, recipient, left, None, ROTATION, source)
    payouts.request(tx, promise, clock.now())
