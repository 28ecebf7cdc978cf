"""Starts the rotation of a treasury's key; payout_recover then drains the old key, moves its money and retires it."""

from datetime import datetime

from shared import log
from shared.db import Tx


def begin(tx: Tx, treasury: str, address: str, kms_version: str, now: datetime) -> bool:
    """Name the treasury's next key. From now on the old key finishes its open nonces and takes no new payouts.

    False, and nothing changes, when the address is or was a key of ours (this rotation began before), or when another
    rotation of the treasury has not ended.
    """
    drained = tx.run(
        """
        UPDATE signers SET status = 'draining'
        WHERE treasury = :treasury AND status = 'active' AND lower(address) <> lower(:address)
          AND NOT EXISTS (SELECT FROM signers other WHERE other.treasury = :treasury AND other.status = 'draining')
          AND NOT EXISTS (SELECT FROM signers other WHERE lower(other.address) = lower(:address))
        """,
        treasury=treasury,
        address=address,
    )
    if not drained:
        return False
    tx.run(
        """
        INSERT INTO signers (address, treasury, kms_version, created_at)
        VALUES (:address, :treasury, :kms_version, :now)
        """,
        address=address,
        treasury=treasury,
        kms_version=kms_version,
        now=now,
    )
    log.warning("a key rotation begins", treasury=treasury, signer=address)
    return True
