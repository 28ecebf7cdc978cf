"""Double entry. A journal's lines sum to zero; the schema refuses any other, and refuses to change one.

Accounts are named `<kind>:<treasury>`, see migration 0004. A positive line adds to an account.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.money import Usdt


@dataclass(frozen=True)
class _Balance:
    balance: Usdt


def post(tx: Tx, ref: str, lines: Mapping[str, Usdt], now: datetime) -> None:
    """Post one journal. Refused, by the next statement or the commit, when `ref` was posted before or it is no zero."""
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
    """What stands on an account, from at most sixteen rows however many postings there are."""
    return tx.one(
        _Balance,
        "SELECT coalesce(sum(balance), 0) AS balance FROM ledger_balances WHERE account = :account",
        account=account,
    ).balance
