"""Reports to the tax service, and what they say, from rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.ports.tax import TaxLine
from shared.values.money import Usdt
from shared.values.states import TaxReportStatus


@dataclass(frozen=True)
class Report:
    """A sale or refund to report; `sale_is_done` says of a refund that the service knows the sale."""

    order_id: UUID
    refund_id: UUID | None
    status: TaxReportStatus
    recorded_at: datetime
    sale_is_done: bool


@dataclass(frozen=True)
class TaxedItem:
    """A line of a sale or refund with its tax."""

    sku: str
    tins: int
    amount: Usdt
    tax: Usdt

    @property
    def line(self) -> TaxLine:
        """The line as the service takes it; an amount without tins counts as one."""
        return TaxLine(self.sku, max(self.tins, 1), self.amount)


@dataclass(frozen=True)
class Carriage:
    """The shipping of a sale or refund, and its tax."""

    shipping: Usdt
    shipping_tax: Usdt


@dataclass(frozen=True)
class Destination:
    """Where an order went; `address` is sealed, and None once it was removed."""

    address: bytes | None
    ship_state: str
    ship_zip: str


def lock(tx: Tx, transaction_id: UUID) -> Report | None:
    """The report, locked until the commit; None if there is none."""
    return tx.first(
        Report,
        """
        SELECT order_id, refund_id, status, recorded_at,
               EXISTS (SELECT FROM tax_reports sale WHERE sale.id = report.order_id AND sale.status = 'done')
                   AS sale_is_done
        FROM tax_reports report WHERE id = :id FOR NO KEY UPDATE
        """,
        id=transaction_id,
    )


def mark_sent(tx: Tx, transaction_id: UUID, now: datetime, look_at: datetime) -> None:
    """Note that the report goes out; it is looked after again at that time."""
    tx.run(
        """
        UPDATE tax_reports SET status = 'sent', sent_at = coalesce(sent_at, :now), look_at = :look_at WHERE id = :id
        """,
        id=transaction_id,
        now=now,
        look_at=look_at,
    )


def finish(tx: Tx, transaction_id: UUID, reference: str, now: datetime) -> None:
    """Note that the service has it, unless another delivery of the task has."""
    tx.run(
        """
        UPDATE tax_reports
        SET status = 'done', done_at = :now, look_at = NULL, reference = :reference, refusal = NULL
        WHERE id = :id AND status = 'sent'
        """,
        id=transaction_id,
        reference=reference,
        now=now,
    )


def refuse(tx: Tx, transaction_id: UUID, reason: str, look_at: datetime) -> None:
    """Keep why the service did not take it, unless it has it by now; it is tried again at that time."""
    tx.run(
        "UPDATE tax_reports SET refusal = :reason, look_at = :look_at WHERE id = :id AND status = 'sent'",
        id=transaction_id,
        reason=reason,
        look_at=look_at,
    )


def items(tx: Tx, order_id: UUID) -> list[TaxedItem]:
    """The lines of an order."""
    return tx.all(
        TaxedItem,
        """
        SELECT sku, quantity AS tins, line_total AS amount, tax FROM order_items WHERE order_id = :id ORDER BY sku
        """,
        id=order_id,
    )


def charged(tx: Tx, order_id: UUID) -> Carriage:
    """The shipping that an order was charged."""
    return tx.one(Carriage, "SELECT shipping_cost AS shipping, shipping_tax FROM orders WHERE id = :id", id=order_id)


def refunded_items(tx: Tx, refund_id: UUID) -> list[TaxedItem]:
    """The lines of a refund."""
    return tx.all(
        TaxedItem,
        "SELECT sku, tins, goods AS amount, tax FROM refund_lines WHERE refund_id = :id ORDER BY sku",
        id=refund_id,
    )


def refunded(tx: Tx, refund_id: UUID) -> Carriage:
    """The shipping that a refund gives back."""
    return tx.one(Carriage, "SELECT shipping, shipping_tax FROM refunds WHERE id = :id", id=refund_id)


def destination(tx: Tx, order_id: UUID) -> Destination:
    """Where an order went."""
    return tx.one(Destination, "SELECT address, ship_state, ship_zip FROM orders WHERE id = :id", id=order_id)


def due(tx: Tx, now: datetime, look_at: datetime, limit: int) -> list[UUID]:
    """Reports that should have been tried by now, longest waiting first; they are due again at `look_at`."""
    return tx.column(
        UUID,
        """
        WITH due AS (
            SELECT id FROM tax_reports WHERE look_at <= :now
            ORDER BY look_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE tax_reports SET look_at = :look_at FROM due WHERE tax_reports.id = due.id RETURNING tax_reports.id
        """,
        now=now,
        look_at=look_at,
        limit=limit,
    )


def count_open(tx: Tx, before: datetime) -> int:
    """The number of sales and refunds of before that time that are not reported."""
    return tx.scalar(
        int, "SELECT count(*) FROM tax_reports WHERE status <> 'done' AND recorded_at < :before", before=before
    )
