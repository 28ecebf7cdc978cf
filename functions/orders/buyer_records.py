"""The rows by which a group of new orders is judged: locked carts and doors, and what their buyers have ordered.

Locks are taken in this order: carts, doors, and by `birth_records` the stock last, because others wait for it. Each
kind is locked in the order of its ids, so that two groups never wait for each other in a circle.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.orders import rules
from shared.db import Tx
from shared.orders import limits
from shared.orders.carts import Cart
from shared.orders.usdt_requests import Wallet
from shared.values.retry_after import HOUR
from shared.values.states import AgeCheckStatus


@dataclass(frozen=True)
class Buyer:
    """A member before the group's orders: unpaid orders, tins of 30 days, when orders were placed in the last hour
    (oldest first), cards declined today, and the check of the member's age that a new order waits for.
    """

    member_id: UUID
    full_name: str
    unpaid: int
    tins: int
    placed: Sequence[datetime]
    declines: int
    check_status: AgeCheckStatus | None
    check_url: str | None
    wallet_address: str | None
    wallet_rests_until: datetime | None

    @property
    def wallet(self) -> Wallet:
        """The wallet that the member has linked."""
        return Wallet(self.wallet_address, self.wallet_rests_until)


@dataclass(frozen=True)
class _OpenCart:
    member_id: UUID
    id: UUID
    revision: int


@dataclass(frozen=True)
class _Ordered:
    member_id: UUID
    cart_id: UUID | None
    order_id: UUID


@dataclass(frozen=True)
class _Door:
    doorstep: bytes
    tins: int


def lock_carts(tx: Tx, members: Collection[UUID]) -> dict[UUID, Cart]:
    """Lock the open carts; by member, without those whose cart somebody has just ordered."""
    rows = tx.all(
        _OpenCart,
        """
        SELECT member_id, id, revision FROM carts
        WHERE member_id = ANY(CAST(:members AS uuid[])) AND status = 'open' ORDER BY id FOR NO KEY UPDATE
        """,
        members=list(members),
    )
    return {row.member_id: Cart(row.id, row.revision) for row in rows}


def lock_doors(tx: Tx, doorsteps: Collection[bytes]) -> None:
    """Lock doors: until the commit, no other order to them is counted or placed."""
    if not doorsteps:
        return
    tx.run_later(
        """
        SELECT pg_advisory_xact_lock(door)
        FROM (SELECT DISTINCT hashtextextended(doorstep, 0) AS door FROM unnest(CAST(:doorsteps AS text[])) AS doorstep
              ORDER BY door) AS doors
        """,
        doorsteps=[doorstep.hex() for doorstep in doorsteps],
    )


def orders_of_carts(tx: Tx, carts: Collection[tuple[UUID, UUID | None]]) -> dict[tuple[UUID, UUID | None], UUID]:
    """The orders that carts have become, by member and cart; of no cart in particular the member's newest order."""
    if not carts:
        return {}
    rows = tx.all(
        _Ordered,
        """
        SELECT asked.member_id, asked.cart_id, newest.id AS order_id
        FROM unnest(CAST(:members AS uuid[]), CAST(:carts AS uuid[])) AS asked (member_id, cart_id)
        CROSS JOIN LATERAL (SELECT id FROM orders
                            WHERE member_id = asked.member_id AND cart_id = coalesce(asked.cart_id, cart_id)
                            ORDER BY placed_at DESC, id DESC LIMIT 1) AS newest
        """,
        members=[member_id for member_id, _ in carts],
        carts=[cart_id for _, cart_id in carts],
    )
    return {(row.member_id, row.cart_id): row.order_id for row in rows}


def read(tx: Tx, members: Collection[UUID], now: datetime) -> dict[UUID, Buyer]:
    """The buyers, by their ids. Orders that were cancelled do not count for tins."""
    rows = tx.all(
        Buyer,
        """
        SELECT m.id AS member_id, m.full_name,
               (SELECT CAST(count(*) AS integer) FROM orders
                WHERE member_id = m.id AND kind = 'retail' AND order_is_unpaid(state)) AS unpaid,
               (SELECT CAST(coalesce(sum(tins), 0) AS integer) FROM orders
                WHERE member_id = m.id AND kind = 'retail' AND placed_at > :since
                  AND state <> 'cancelled') AS tins,
               ARRAY(SELECT placed_at FROM orders
                     WHERE member_id = m.id AND kind = 'retail' AND placed_at > :hour_ago
                     ORDER BY placed_at) AS placed,
               (SELECT CAST(count(*) AS integer)
                FROM orders JOIN payments ON payments.order_id = orders.id
                JOIN payment_operations operation ON operation.payment_id = payments.id
                WHERE orders.member_id = m.id AND operation.kind = 'authorize' AND operation.status = 'failed'
                  AND operation.evidence <> 'never_sent' AND operation.answered_at >= :today) AS declines,
               age.status AS check_status, age.url AS check_url, m.wallet_address,
               CASE WHEN m.wallet_rests_until > :now THEN m.wallet_rests_until END AS wallet_rests_until
        FROM members m
        LEFT JOIN LATERAL (SELECT status, url FROM age_checks
                           WHERE member_id = m.id AND (status = 'pending' OR decided_at >= :now)
                           ORDER BY recorded_at DESC LIMIT 1) AS age ON true
        WHERE m.id = ANY(CAST(:members AS uuid[]))
        """,
        members=list(members),
        since=now - rules.TINS_COUNTED,
        hour_ago=now - HOUR,
        today=limits.day_of(now),
        now=now,
    )
    return {row.member_id: row for row in rows}


def tins_of_doors(tx: Tx, doorsteps: Collection[bytes], now: datetime) -> dict[bytes, int]:
    """The tins of 30 days that went to each door, without cancelled orders."""
    if not doorsteps:
        return {}
    rows = tx.all(
        _Door,
        """
        SELECT doorstep,
               (SELECT CAST(coalesce(sum(tins), 0) AS integer) FROM orders
                WHERE orders.doorstep = asked.doorstep AND placed_at > :since AND state <> 'cancelled') AS tins
        FROM unnest(CAST(:doorsteps AS bytea[])) AS asked (doorstep)
        """,
        doorsteps=list(doorsteps),
        since=now - rules.TINS_COUNTED,
    )
    return {row.doorstep: row.tins for row in rows}
