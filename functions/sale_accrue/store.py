"""The pools' shares of sales as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.sale_accrue.rules import Shares, Sold
from shared.db import Tx
from shared.values.money import Usdt


@dataclass(frozen=True)
class Accrued:
    """The last row of an order: what counted then, and what the pools have of it."""

    sequence: int
    turnover: Usdt
    tins: int
    cost_per_tin: Usdt
    member: Usdt
    affiliate: Usdt
    wholesale: Usdt

    @property
    def sold(self) -> Sold:
        """The order as it counted then."""
        return Sold(self.turnover, self.tins, self.cost_per_tin)

    @property
    def shares(self) -> Shares:
        """The shares that the pools have."""
        return Shares(self.member, self.affiliate, self.wholesale)


def sold(tx: Tx, order_id: UUID) -> Sold | None:
    """The order as it counts now; None while its sale is not booked. The caller has locked the order."""
    return tx.first(Sold, "SELECT turnover, tins, cost_per_tin FROM order_accruable(CAST(:id AS uuid))", id=order_id)


def last(tx: Tx, order_id: UUID) -> Accrued | None:
    """The order's last row, if there is one."""
    return tx.first(
        Accrued,
        """
        SELECT sequence, turnover, tins, cost_per_tin, member, affiliate, wholesale FROM sale_accruals
        WHERE order_id = :order_id ORDER BY sequence DESC LIMIT 1
        """,
        order_id=order_id,
    )


def insert(tx: Tx, order_id: UUID, row: Accrued, profit: Usdt, now: datetime) -> None:
    """Insert the order's next row."""
    tx.run(
        """
        INSERT INTO sale_accruals (order_id, sequence, turnover, tins, cost_per_tin, profit, member, affiliate,
                                   wholesale, accrued_at)
        VALUES (:order_id, :sequence, :turnover, :tins, :cost_per_tin, :profit, :member, :affiliate, :wholesale, :now)
        """,
        **vars(row),
        order_id=order_id,
        profit=profit,
        now=now,
    )


def settle(tx: Tx, order_id: UUID) -> None:
    """Note that the pools have what the order gives; the schema refuses it while they have something else."""
    tx.run("UPDATE orders SET accrual_due_at = NULL WHERE id = :id AND accrual_due_at IS NOT NULL", id=order_id)


def due(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders of which the pools have had something else than they give since before that time, longest first."""
    return tx.column(
        UUID,
        "SELECT id FROM orders WHERE accrual_due_at <= :before ORDER BY accrual_due_at, id LIMIT :limit",
        before=before,
        limit=limit,
    )
