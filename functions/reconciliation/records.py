"""Findings of a reconciliation and its results, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from functions.reconciliation.rules import Kind, Result
from functions.reconciliation.store import Books
from shared.db import Tx
from shared.values.money import Usdt


@dataclass(frozen=True)
class Finding:
    """A difference between a treasury's books and the chain. One of a treasury, kind and `ref` is open at a time."""

    kind: Kind
    ref: str
    expected: Usdt
    found: Usdt
    payout_id: object = None
    transaction_hash: str | None = None
    counterparty: str | None = None


@dataclass(frozen=True)
class Open:
    """A finding that is not resolved."""

    kind: Kind
    ref: str
    expected: Usdt
    found: Usdt


@dataclass(frozen=True)
class ChainBalance:
    """The balance of a treasury at the run's block."""

    treasury: str
    balance: Usdt


@dataclass(frozen=True)
class _Result:
    status: str
    badge: str


def insert(tx: Tx, run_id: UUID, treasury: str, finding: Finding, now: datetime) -> bool:
    """Insert a finding; False if it is open already."""
    return bool(
        tx.run(
            """
            INSERT INTO reconciliation_findings (id, reconciliation_id, treasury, kind, ref, payout_id,
                                                 transaction_hash, counterparty, expected, found, found_at)
            VALUES (:id, :run_id, :treasury, :kind, :ref, :payout_id, :transaction_hash, :counterparty, :expected,
                    :found, :now)
            ON CONFLICT (treasury, kind, ref) WHERE resolved_at IS NULL DO NOTHING
            """,
            id=uuid4(),
            run_id=run_id,
            treasury=treasury,
            now=now,
            **vars(finding),
        )
    )


def open_findings(tx: Tx, treasury: str) -> list[Open]:
    """All open findings of a treasury."""
    return tx.all(
        Open,
        """
        SELECT kind, ref, expected, found FROM reconciliation_findings
        WHERE treasury = :treasury AND resolved_at IS NULL ORDER BY found_at, id
        """,
        treasury=treasury,
    )


def close_explained(tx: Tx, treasury: str, now: datetime) -> int:
    """Close findings whose payout has its Transfer log by now; returns how many."""
    return tx.run(
        """
        UPDATE reconciliation_findings f SET resolved_at = :now, resolution = 'The payout and its transfer agree now.'
        WHERE f.treasury = :treasury AND f.resolved_at IS NULL AND f.kind <> 'balance_differs'
          AND (EXISTS (SELECT FROM chain_transfers t WHERE t.payout_id = f.payout_id)
               OR EXISTS (SELECT FROM chain_transfers t
                          WHERE t.transaction_hash = f.transaction_hash AND t.direction = 'out'
                            AND t.payout_id IS NOT NULL AND t.transaction_hash || ':' || t.log_index = f.ref))
        """,
        treasury=treasury,
        now=now,
    )


def close_balance(tx: Tx, treasury: str, ref: str, now: datetime) -> int:
    """Close the open differences of the balance other than `ref`; returns how many."""
    return tx.run(
        """
        UPDATE reconciliation_findings
        SET resolved_at = :now, resolution = 'The difference is another one now, or none.'
        WHERE treasury = :treasury AND kind = 'balance_differs' AND resolved_at IS NULL AND ref <> :ref
        """,
        treasury=treasury,
        ref=ref,
        now=now,
    )


def chain_balances(tx: Tx, run_id: UUID) -> list[ChainBalance]:
    """The balance of every treasury, as the nodes gave it when the run began."""
    return tx.all(
        ChainBalance,
        """
        SELECT treasury, chain_balance AS balance FROM reconciliation_treasuries
        WHERE reconciliation_id = :run_id ORDER BY treasury
        """,
        run_id=run_id,
    )


def save_treasury(
    tx: Tx,
    run_id: UUID,
    treasury: str,
    result: Result,
    reason: str | None,
    books: Books,
    difference: Usdt,
    findings: int,
) -> None:
    """Store the present result of a treasury's comparison."""
    tx.run(
        """
        UPDATE reconciliation_treasuries kept
        SET status = :status, badge = :badge, reason = :reason, payouts_waiting = :waiting, findings_open = :findings,
            book_balance = :books, difference = :difference,
            payouts_matched = mark.payouts_matched, amount_matched = mark.amount_matched
        FROM reconciliation_marks mark
        WHERE kept.reconciliation_id = :run_id AND kept.treasury = :treasury AND mark.treasury = :treasury
        """,
        run_id=run_id,
        treasury=treasury,
        status=result.status,
        badge=result.badge,
        reason=reason,
        waiting=books.payouts_waiting,
        findings=findings,
        books=books.balance,
        difference=difference,
    )


def postpone_treasury(tx: Tx, run_id: UUID, treasury: str, reason: str) -> None:
    """Mark the treasury's comparison as pending, with the reason."""
    tx.run(
        """
        UPDATE reconciliation_treasuries SET status = 'pending', badge = 'pending', reason = :reason
        WHERE reconciliation_id = :run_id AND treasury = :treasury
        """,
        run_id=run_id,
        treasury=treasury,
        reason=reason,
    )


def save(tx: Tx, run_id: UUID, result: Result, reason: str | None, finished_at: datetime | None) -> None:
    """Store the present result of the run, unless it is finished; with `finished_at` it is not continued."""
    tx.run(
        """
        UPDATE reconciliations SET status = :status, badge = :badge, reason = :reason, finished_at = :finished_at
        WHERE id = :run_id AND finished_at IS NULL
        """,
        run_id=run_id,
        status=result.status,
        badge=result.badge,
        reason=reason,
        finished_at=finished_at,
    )
