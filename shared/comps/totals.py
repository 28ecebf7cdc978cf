"""Locks on members' totals, which a scan of the member takes as well.

Whoever changes what a scan reads (tiers, the wallet), or posts a comp's payment, takes the lock before anything else of
the member but the guarantee, and keeps it until the commit.
"""

from collections.abc import Sequence
from uuid import UUID

from shared.db import Tx


def lock(tx: Tx, member_id: UUID) -> None:
    """Lock the member's totals."""
    tx.run("SELECT FROM member_totals WHERE member_id = :member_id FOR NO KEY UPDATE", member_id=member_id)


def lock_of_comp(tx: Tx, comp_id: UUID) -> None:
    """Lock the totals of the member who won the comp."""
    tx.run_later(
        """
        SELECT FROM member_totals WHERE member_id = (SELECT member_id FROM comps WHERE id = :comp_id)
        FOR NO KEY UPDATE
        """,
        comp_id=comp_id,
    )


def lock_of_payouts(tx: Tx, payout_ids: Sequence[UUID]) -> None:
    """Lock the totals of the members whose comps these payouts pay; the caller locks the payouts afterwards."""
    tx.run(
        """
        SELECT FROM member_totals
        WHERE member_id IN (SELECT member_id FROM payouts
                            WHERE id = ANY(CAST(:payout_ids AS uuid[])) AND source_kind = 'comp')
        ORDER BY member_id FOR NO KEY UPDATE
        """,
        payout_ids=list(payout_ids),
    )
