"""The rows of reports, page by page: each page costs the same, however far it is, and whatever it leaves out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.orders.states import OrderKind, OrderState
from shared.values.ids import NIL
from shared.values.money import Usdt
from shared.values.states import MemberStatus
from shared.values.tiers import Tier
from shared.web.paging import Position


@dataclass(frozen=True)
class UserRow:
    """A member; of a deleted account there is no name and no address."""

    number: int
    id: UUID
    username: str | None
    full_name: str | None
    email: str | None
    is_verified: bool
    status: MemberStatus
    tier: Tier
    permanent_tier: Tier
    state: str | None
    country: str
    language: str
    wallet_address: str | None
    joined_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True)
class OrderRow:
    """An order, amounts in US dollars, with what was refunded of it; who has deleted their account has no name."""

    id: UUID
    number: int
    kind: OrderKind
    state: OrderState
    state_at: datetime
    placed_at: datetime
    confirmed_at: datetime | None
    member_id: UUID
    username: str | None
    ship_state: str
    ship_zip: str
    tins: int
    subtotal: Usdt
    shipping_cost: Usdt
    tax_amount: Usdt
    total_amount: Usdt
    refunded_amount: Usdt


@dataclass(frozen=True)
class AffiliateRow:
    """An affiliate with the figures of the list of all; amounts in USDT."""

    id: UUID
    username: str | None
    status: Literal["active", "suspended", "deleted"]
    has_wallet: bool
    joined_at: datetime
    downline: int
    chips: int
    earned: Usdt


@dataclass(frozen=True)
class AuditRow:
    """A line of the audit log; `changes` is JSON."""

    id: int
    created_at: datetime
    actor_id: UUID | None
    actor: str | None
    action: str
    resource_type: str
    resource_id: str
    changes: str
    ip_address: str | None
    user_agent: str | None


def users(tx: Tx, after: int, quarter: str, limit: int) -> list[UserRow]:
    """Members after a number, in the order of their numbers."""
    return tx.all(
        UserRow,
        """
        SELECT m.number, m.id, CASE WHEN m.status <> 'deleted' THEN m.username END AS username,
               CASE WHEN m.status <> 'deleted' THEN m.full_name END AS full_name,
               CASE WHEN m.status <> 'deleted' THEN m.email END AS email,
               m.email_verified_at IS NOT NULL AS is_verified, m.status,
               greatest(coalesce(q.tier, 'standard'), m.permanent_tier) AS tier, m.permanent_tier, m.state, m.country,
               m.language, m.wallet_address, m.created_at AS joined_at, m.last_login_at
        FROM members m LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE m.number > :after ORDER BY m.number LIMIT :limit
        """,
        after=after,
        quarter=quarter,
        limit=limit,
    )


def orders(tx: Tx, since: datetime, until: datetime, after: Position | None, limit: int) -> list[OrderRow]:
    """Orders that were placed from `since` to before `until`, after a position, in the order of their times."""
    return tx.all(
        OrderRow,
        """
        SELECT o.id, o.number, o.kind, o.state, o.state_at, o.placed_at, o.confirmed_at, o.member_id,
               CASE WHEN m.status <> 'deleted' THEN m.username END AS username, o.ship_state, o.ship_zip, o.tins,
               o.subtotal, o.shipping_cost, o.tax_amount, o.total_amount,
               CAST((SELECT coalesce(sum(amount), 0) FROM refunds WHERE order_id = o.id) AS bigint) AS refunded_amount
        FROM (SELECT id, number, kind, state, state_at, placed_at, confirmed_at, member_id, ship_state, ship_zip, tins,
                     subtotal, shipping_cost, tax_amount, total_amount
              FROM orders
              WHERE placed_at >= :since AND placed_at < :until
                AND (placed_at, id) > (CAST(:at AS timestamptz), CAST(:id AS uuid))
              ORDER BY placed_at, id LIMIT :limit) o
        JOIN members m ON m.id = o.member_id
        ORDER BY o.placed_at, o.id
        """,
        since=since,
        until=until,
        at=after.at if after else since,
        id=after.id if after else NIL,
        limit=limit,
    )


def affiliates(tx: Tx, after: UUID, limit: int) -> list[AffiliateRow]:
    """Affiliates after an id, in the order of their ids."""
    return tx.all(
        AffiliateRow,
        """
        SELECT m.id, CASE WHEN m.status <> 'deleted' THEN m.username END AS username, m.status,
               m.wallet_address IS NOT NULL AS has_wallet, m.created_at AS joined_at, f.downline, f.chips, f.earned
        FROM (SELECT affiliate_id, downline, chips, earned FROM affiliate_figures
              WHERE affiliate_id > :after ORDER BY affiliate_id LIMIT :limit) f
        JOIN members m ON m.id = f.affiliate_id
        ORDER BY m.id
        """,
        after=after,
        limit=limit,
    )


def audit_lines(tx: Tx, after: int, limit: int) -> list[AuditRow]:
    """Lines of the audit log after an id, in the order of their ids."""
    return tx.all(
        AuditRow,
        """
        SELECT a.id, a.created_at, a.actor_id, m.username AS actor, a.action, a.resource_type, a.resource_id,
               CAST(a.changes AS text) AS changes, host(a.ip_address) AS ip_address, a.user_agent
        FROM (SELECT id, created_at, actor_id, action, resource_type, resource_id, changes, ip_address, user_agent
              FROM audit_logs WHERE id > :after ORDER BY id LIMIT :limit) a
        LEFT JOIN members m ON m.id = a.actor_id
        ORDER BY a.id
        """,
        after=after,
        limit=limit,
    )
