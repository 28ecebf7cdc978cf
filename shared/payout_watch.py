"""Whether a treasury's key is used by nobody but us, in this database (R5, R8)."""

from dataclasses import dataclass

from shared import clock, db, payout_recovery, payout_slots
from shared.db import Tx
from shared.ports.chain import Chain


def rebuild_unless_ours(signer: str, nodes: Chain) -> bool:
    """True when all is well. A nonce that the chain has used and we have not was used by somebody else, or by us before
    a restore.

    Then the treasury is paused and the key is to be rebuilt, which finds out who was paid with it. Raises
    ChainUnreachable.
    """
    same = db.atomically(lambda tx: _is_of_this_database(tx, signer))
    used = nodes.used_nonces(signer)
    expected = db.atomically(lambda tx: _next_to_sign(tx, signer))  # after the chain: a worker may be ahead of us
    if same and used <= expected:
        return True
    reason = f"nonce {expected} of {signer} is used on the chain and not by us" if same else "another database"
    db.atomically(lambda tx: payout_recovery.ask(tx, signer, reason, clock.now()))
    return False


def _next_to_sign(tx: Tx, signer: str) -> int:
    waiting = payout_slots.unsigned(tx, signer, 1)
    return waiting[0].nonce if waiting else payout_slots.next_nonce(tx, signer)


@dataclass(frozen=True)
class _Lineage:
    same: bool


def _is_of_this_database(tx: Tx, signer: str) -> bool:
    """False after a restore or a promotion: the chain may know more of the key than its rows do."""
    return tx.one(
        _Lineage, "SELECT lineage = database_lineage() AS same FROM signers WHERE address = :signer", signer=signer
    ).same
