"""The pool of affiliates: what a week divides of it."""

from datetime import datetime

from shared.db import Tx
from shared.ledger import journals
from shared.values.money import ZERO, Usdt

POOL = "pool:affiliate"


def divisible(tx: Tx, at: datetime) -> Usdt:
    """The sum that a week which ends at that moment divides: what the pool held then, less what orders that were not
    shipped then had given it, since they might still be cancelled. Zero if the pool was overdrawn.
    """
    since = tx.scalar(
        Usdt,
        """
        SELECT CAST(coalesce(sum(amount), 0) AS bigint) AS amount
        FROM ledger_journals j JOIN ledger_postings p ON p.journal_id = j.id
        WHERE j.posted_at >= :at AND p.account = :pool AND j.ref NOT LIKE 'week-opened:%'
        """,
        at=at,
        pool=POOL,
    )
    unshipped = tx.scalar(Usdt, "SELECT unshipped_affiliate_accruals(:at) AS amount", at=at)
    return max(journals.balance(tx, POOL) - since - unshipped, ZERO)
