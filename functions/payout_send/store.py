"""What is asked before a payout goes on: the platform's own addresses, what a treasury has promised."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx
from shared.money import Usdt


@dataclass(frozen=True)
class Others:
    """What a treasury has set aside for other payouts; of that, what may have left it on the chain."""

    promised: Usdt
    leaving: Usdt


@dataclass(frozen=True)
class _Address:
    address: str


def platform_addresses(tx: Tx) -> frozenset[str]:
    """Every treasury key and token contract, in lower case: nobody's wallet."""
    rows = tx.all(
        _Address,
        """
        SELECT lower(address) AS address FROM signers
        UNION SELECT lower(token_address) FROM treasuries
        """,
    )
    return frozenset(row.address for row in rows)


def promised_to_others(tx: Tx, payout_id: UUID) -> Others:
    """Of the payout's treasury, as the ledger and the open slots have it."""
    return tx.one(
        Others,
        """
        SELECT (SELECT coalesce(sum(balance), 0) FROM ledger_balances WHERE account = 'in_flight:' || payout.treasury)
               - CASE WHEN payout_reserved(payout) THEN payout.amount ELSE 0 END AS promised,
               (SELECT coalesce(sum(other.amount), 0)
                FROM payouts other JOIN payout_slots slot ON slot.payout_id = other.id
                WHERE other.treasury = payout.treasury AND slot.state IN ('LIVE', 'MINED')) AS leaving
        FROM payouts payout WHERE payout.id = :payout_id
        """,
        payout_id=payout_id,
    )
