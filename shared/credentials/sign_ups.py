"""Sign-ups whose address is not proved yet: several may wait for one address, and the one that proves it stays."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx


def lock_address(tx: Tx, email: str) -> None:
    """Lock an address: until the commit, no other transaction signs up with it, proves it or requests a code for it.

    The lock is taken after the idempotency key and before every row; a transaction takes only one such lock.
    """
    tx.run_later("SELECT pg_advisory_xact_lock(hashtextextended(lower(:email), 0))", email=email)


def forget(tx: Tx, member_id: UUID, now: datetime) -> bool:
    """Erase a sign-up and what belongs to it; the caller has locked its address. False when it stays.

    It stays when it was proved, is gone already, is suspended, or has been given something that must be kept.
    """
    return tx.scalar(bool, "SELECT forget_sign_up(:member_id, :now) AS gone", member_id=member_id, now=now)
