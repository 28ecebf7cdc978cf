"""Tins sold, which unlock comps. The shop and wholesale record them; unlock_refresh sums them up."""

from datetime import date

from shared.db import Tx


def record(tx: Tx, day: date, source: str, tins: int) -> None:
    """Count tins sold on a day (UTC) through a source, `shop` or `wholesale`; negative numbers are a refund's.

    A refund names the day of the sale that it takes back. Raises ConstraintViolated if the day's sum would fall below
    zero. Call it last in the transaction: all sales of the day share the row, and wait for it until the commit.
    """
    tx.run_later(
        "INSERT INTO tins_sold_daily (day, source, tins) VALUES (:day, :source, 0) ON CONFLICT DO NOTHING",
        day=day,
        source=source,
    )
    tx.run(
        "UPDATE tins_sold_daily SET tins = tins + :tins WHERE day = :day AND source = :source",
        tins=tins,
        day=day,
        source=source,
    )
