"""Double-entry ledger. The lines of a journal sum to zero; the schema refuses any other journal, and any change of one.

Accounts are named `<kind>:<treasury>`, see migration 0004. A positive line adds to an account.
"""

from collections.abc import Mapping
from datetime import datetime

from shared.db import Tx
from shared.values.money import Usdt


def post(tx: Tx, ref: str, lines: Mapping[str, Usdt], now: datetime) -> None:
    """Post one journal. If `ref` was posted before or the sum is not zero, the next statement or commit fails.

    Its accounts come in the order of their names: two transactions may meet in shards that are only being made.
    """
    accounts = sorted(account for account, amount in lines.items() if amount)
    tx.run_later(
        """
        WITH journal AS (
            INSERT INTO ledger_journals (ref, posted_at) VALUES (:ref, :now) RETURNING id
        )
        INSERT INTO ledger_postings (journal_id, account, amount)
        SELECT journal.id, line.account, line.amount
        FROM journal, unnest(CAST(:accounts AS text[]), CAST(:amounts AS bigint[])) AS line (account, amount)
        """,
        ref=ref,
        now=now,
        accounts=accounts,
        amounts=[lines[account].micro for account in accounts],
    )


def move(tx: Tx, ref: str, source: str, target: str, amount: Usdt, now: datetime) -> None:
    """Post a journal that takes `amount` from one account and adds it to another."""
    post(tx, ref, {source: -amount, target: amount}, now)


def balance(tx: Tx, account: str) -> Usdt:
    """The balance of an account, summed over its shards: some sixteen rows, however many postings there are."""
    return tx.scalar(
        Usdt,
        "SELECT coalesce(sum(balance), 0) AS balance FROM ledger_balances WHERE account = :account",
        account=account,
    )
