"""Runs, what was compared, and the books as of a block, from rows."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from functions.reconciliation.rules import Outgoing
from shared.db import Tx
from shared.ports.polygon.nodes import Block
from shared.values.money import Usdt

MATCHED_MAX = 2_000  # in one transaction
FOUND_MAX = 500  # new findings of one kind in one run; the next run names the rest


@dataclass(frozen=True)
class Run:
    """A reconciliation. Its block is None until the nodes have agreed on one."""

    id: UUID
    requested_at: datetime
    block_number: int | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Books:
    """The books of a treasury as of a block: `balance` should be on the chain."""

    balance: Usdt
    payouts_waiting: int


@dataclass(frozen=True)
class Missing:
    """A payout that our rows have as paid, in a block that was read, without a Transfer log."""

    payout_id: UUID
    transaction_hash: str
    recipient_address: str
    amount: Usdt


def begin_daily(tx: Tx, day: date, now: datetime) -> UUID:
    """The id of the day's run; there is one, however often the schedule calls."""
    tx.run(
        "INSERT INTO reconciliations (id, day, requested_at) VALUES (:id, :day, :now) ON CONFLICT DO NOTHING",
        id=uuid4(),
        day=day,
        now=now,
    )
    return tx.scalar(UUID, "SELECT id FROM reconciliations WHERE day = :day", day=day)


def run(tx: Tx, run_id: UUID) -> Run | None:
    """The run, locked until the commit; None if there is none."""
    return tx.first(
        Run,
        """
        SELECT id, requested_at, block_number, finished_at FROM reconciliations WHERE id = :run_id FOR NO KEY UPDATE
        """,
        run_id=run_id,
    )


def fix_block(tx: Tx, run_id: UUID, block: Block, balances: dict[str, Usdt]) -> None:
    """Fix the run's block, and the treasuries' balances at it."""
    tx.run(
        "UPDATE reconciliations SET block_number = :number, block_hash = :hash WHERE id = :run_id",
        run_id=run_id,
        number=block.number,
        hash=block.hash,
    )
    tx.run(
        """
        INSERT INTO reconciliation_treasuries (reconciliation_id, treasury, chain_balance)
        SELECT :run_id, treasury, balance
        FROM unnest(CAST(:treasuries AS text[]), CAST(:balances AS bigint[])) AS given (treasury, balance)
        """,
        run_id=run_id,
        treasuries=list(balances),
        balances=[balance.micro for balance in balances.values()],
    )


def paid_above(tx: Tx, block_number: int) -> bool:
    """Whether a payout is final in a later block, which means that the nodes have gone back behind an earlier
    answer.
    """
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (
            SELECT FROM signers s, LATERAL (
                SELECT block_number FROM payout_slots WHERE signer = s.address AND state = 'FINAL_PAY'
                ORDER BY nonce DESC LIMIT 1) AS latest
            WHERE latest.block_number > :block_number) AS found
        """,
        block_number=block_number,
    )


def lock_treasury(tx: Tx, treasury: str) -> None:
    """Lock the treasury's comparison, so that one runs at a time."""
    tx.run("INSERT INTO reconciliation_marks (treasury) VALUES (:treasury) ON CONFLICT DO NOTHING", treasury=treasury)
    tx.run("SELECT 1 FROM reconciliation_marks WHERE treasury = :treasury FOR UPDATE", treasury=treasury)


def match(tx: Tx, treasury: str, block_number: int) -> int:
    """Match paid payouts with their Transfer logs, exact in sender, recipient and amount; returns how many were
    matched.

    A log that a person has explained is left as it is.
    """
    matched = tx.column(
        Usdt,
        """
        WITH pairs AS (
            SELECT DISTINCT ON (p.id) p.id, t.transaction_hash, t.log_index
            FROM chain_transfers t
            JOIN payout_attempts a ON a.hash = t.transaction_hash AND a.kind = 'PAY'
            JOIN payout_slots s ON s.signer = a.signer AND s.nonce = a.nonce AND s.state = 'FINAL_PAY'
            JOIN payouts p ON p.id = s.payout_id AND p.transaction_hash = t.transaction_hash
            WHERE t.treasury = :treasury AND t.direction = 'out' AND t.payout_id IS NULL
              AND t.block_number <= :block_number
              AND p.treasury = t.treasury AND s.signer = t.signer AND p.amount = t.amount
              AND lower(p.recipient_address) = t.counterparty
              AND NOT EXISTS (SELECT FROM chain_transfers WHERE payout_id = p.id)
              AND NOT EXISTS (SELECT FROM reconciliation_findings f
                              WHERE f.ref = t.transaction_hash || ':' || t.log_index AND f.resolved_by IS NOT NULL)
            ORDER BY p.id, t.log_index LIMIT :limit
        )
        UPDATE chain_transfers t SET payout_id = pairs.id FROM pairs
        WHERE t.transaction_hash = pairs.transaction_hash AND t.log_index = pairs.log_index AND t.direction = 'out'
        RETURNING t.amount
        """,
        treasury=treasury,
        block_number=block_number,
        limit=MATCHED_MAX,
    )
    tx.run(
        """
        UPDATE reconciliation_marks
        SET payouts_matched = payouts_matched + :count, amount_matched = amount_matched + :amount
        WHERE treasury = :treasury
        """,
        treasury=treasury,
        count=len(matched),
        amount=sum(amount.micro for amount in matched),
    )
    return len(matched)


def unexplained(tx: Tx, treasury: str, block_number: int) -> list[Outgoing]:
    """Outgoing transfers that match no paid payout and are in no finding, oldest first."""
    return tx.all(
        Outgoing,
        """
        SELECT t.transaction_hash, t.log_index, t.counterparty, t.amount, CAST(s.state AS text) AS slot_state,
               p.id AS payout_id,
               coalesce(p.state = 'PAID' AND p.transaction_hash = t.transaction_hash
                        AND NOT EXISTS (SELECT FROM chain_transfers WHERE payout_id = p.id), false) AS payout_paid,
               p.amount AS payout_amount,
               EXISTS (SELECT FROM signers own WHERE own.treasury = t.treasury
                         AND lower(own.address) = t.counterparty) AS internal
        FROM chain_transfers t
        LEFT JOIN payout_attempts a ON a.hash = t.transaction_hash AND a.kind = 'PAY'
        LEFT JOIN payout_slots s ON s.signer = a.signer AND s.nonce = a.nonce
        LEFT JOIN payouts p ON p.id = s.payout_id
        WHERE t.treasury = :treasury AND t.direction = 'out' AND t.payout_id IS NULL AND t.block_number <= :block_number
          AND NOT EXISTS (SELECT FROM reconciliation_findings f WHERE f.ref = t.transaction_hash || ':' || t.log_index)
        ORDER BY t.block_number, t.log_index LIMIT :limit
        """,
        treasury=treasury,
        block_number=block_number,
        limit=FOUND_MAX,
    )


def missing(tx: Tx, treasury: str, block_number: int) -> list[Missing]:
    """Paid payouts without a Transfer log and without a finding, from a day before the mark on (the day allows for
    clocks).
    """
    return tx.all(
        Missing,
        """
        SELECT p.id AS payout_id, p.transaction_hash, p.recipient_address, p.amount
        FROM payouts p JOIN payout_slots s ON s.payout_id = p.id AND s.state = 'FINAL_PAY'
        WHERE p.treasury = :treasury AND p.state = 'PAID' AND s.block_number <= :block_number
          AND p.paid_at >= coalesce((SELECT settled_until - interval '1 day' FROM reconciliation_marks
                                     WHERE treasury = :treasury), '-infinity')
          AND NOT EXISTS (SELECT FROM chain_transfers WHERE payout_id = p.id)
          AND NOT EXISTS (SELECT FROM reconciliation_findings WHERE payout_id = p.id)
        ORDER BY p.paid_at LIMIT :limit
        """,
        treasury=treasury,
        block_number=block_number,
        limit=FOUND_MAX,
    )


def settle(tx: Tx, treasury: str, block_number: int, now: datetime) -> None:
    """Move the mark to the first paid payout that was not compared yet."""
    tx.run(
        """
        UPDATE reconciliation_marks SET settled_until = least(:now, (
            SELECT min(p.paid_at) FROM payouts p JOIN payout_slots s ON s.payout_id = p.id AND s.state = 'FINAL_PAY'
            WHERE p.treasury = :treasury AND p.state = 'PAID' AND s.block_number > :block_number
              AND p.paid_at >= coalesce(settled_until - interval '1 day', '-infinity')))
        WHERE treasury = :treasury
        """,
        treasury=treasury,
        block_number=block_number,
        now=now,
    )


def books(tx: Tx, treasury: str, block_number: int) -> Books:
    """The books as of a block, in one statement: payouts paid in later blocks are added, transfers in earlier blocks
    whose payout is not paid yet are subtracted, and so is money that came later. Transfers between keys of the treasury
    do not count.
    """
    return tx.one(
        Books,
        """
        WITH own AS (
            SELECT lower(address) AS address FROM signers WHERE treasury = :treasury
        ), out_now AS (
            SELECT count(*) AS number, coalesce(sum(t.amount), 0) AS amount
            FROM chain_transfers t
            JOIN payout_attempts a ON a.hash = t.transaction_hash AND a.kind = 'PAY'
            JOIN payout_slots s ON s.signer = a.signer AND s.nonce = a.nonce
            WHERE t.treasury = :treasury AND t.direction = 'out' AND t.payout_id IS NULL
              AND t.block_number <= :block_number AND slot_is_open(s.state)
              AND NOT EXISTS (SELECT FROM own WHERE own.address = t.counterparty)
        ), paid_later AS (
            SELECT coalesce(sum(p.amount), 0) AS amount
            FROM payout_slots s JOIN payouts p ON p.id = s.payout_id
            WHERE p.treasury = :treasury AND s.state = 'FINAL_PAY' AND s.block_number > :block_number
              AND p.source_kind <> 'rotation'
        ), came_later AS (
            SELECT coalesce(sum(amount), 0) AS amount FROM chain_transfers
            WHERE treasury = :treasury AND direction = 'in' AND block_number > :block_number
              AND NOT EXISTS (SELECT FROM own WHERE own.address = counterparty)
        ), ledger AS (
            SELECT coalesce(sum(balance), 0) AS amount FROM ledger_balances
            WHERE account IN ('treasury:' || :treasury, 'in_flight:' || :treasury)
        )
        SELECT CAST(ledger.amount + paid_later.amount - came_later.amount - out_now.amount AS bigint) AS balance,
               out_now.number AS payouts_waiting
        FROM ledger, paid_later, came_later, out_now
        """,
        treasury=treasury,
        block_number=block_number,
    )
