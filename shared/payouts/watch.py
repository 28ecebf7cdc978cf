"""Checks that a treasury's key was used only by us and only through this database (R5, R8)."""

from shared import clock, db
from shared.db import Tx
from shared.payouts import recovery, slots
from shared.ports.polygon.chain import Chain


def rebuild_unless_ours(signer: str, nodes: Chain) -> bool:
    """True if the key's rows were written in this database and every nonce that the chain has used is known to us.

    Otherwise a rebuild of the key is requested, which finds out whom the unknown nonces paid, and the treasury is
    paused: they were used by somebody else, or by us before a restore. Raises ChainUnreachable.
    """
    same = db.atomically(_is_of_this_database, signer)
    used = nodes.used_nonces(signer)
    expected = db.atomically(_next_to_sign, signer)  # after the chain: a worker may be ahead of us
    if same and used <= expected:
        return True
    reason = f"nonce {expected} of {signer} is used on the chain and not by us" if same else "another database"
    db.atomically(lambda tx: recovery.ask(tx, signer, reason, clock.now()))
    return False


def _next_to_sign(tx: Tx, signer: str) -> int:
    waiting = slots.unsigned(tx, signer, 1)
    return waiting[0].nonce if waiting else slots.next_nonce(tx, signer)


def _is_of_this_database(tx: Tx, signer: str) -> bool:
    """False after a restore or a promotion of a replica: the chain may know more of the key than our rows do."""
    return tx.scalar(
        bool,
        "SELECT coalesce(lineage = database_lineage(), false) AS same FROM signers WHERE address = :signer",
        signer=signer,
    )
