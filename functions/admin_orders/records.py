"""Orders as rows, for admins: the list, and one order with everything around it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_orders import parcel_records
from functions.admin_orders.models import (
    AdminOrder,
    AdminOrderDetail,
    AdminOrderLine,
    AdminPayment,
    AdminRefund,
    AdminRefundLine,
    AgeResult,
    DiaryEntry,
    Outcome,
    PaymentOperation,
    RefundRequest,
    ResolutionSaid,
)
from shared.db import Tx
from shared.orders.refunds import RefundReason
from shared.orders.states import CancelReason, OrderKind, OrderState, number_of
from shared.values.money import Usdt
from shared.values.states import OperationKind, OperationStatus, PaymentState, PaymentStatus
from shared.web.paging import Position

DIARY_MAX = 500


@dataclass(frozen=True)
class Wanted:
    """Conditions for orders; None means no condition."""

    state: OrderState | None
    payment: PaymentStatus | None
    kind: OrderKind | None
    placed_from: datetime | None
    placed_to: datetime | None
    number: int | None
    email: str | None


@dataclass(frozen=True)
class ListedOrder:
    """An order in the list; `payment` is the word for its newest payment, which is the only one that may have paid."""

    id: UUID
    number: int
    kind: OrderKind
    state: OrderState
    payment: PaymentStatus
    total_amount: Usdt
    refunded: Usdt
    cancel_wanted: bool
    placed_at: datetime
    member_id: UUID
    username: str
    email: str


@dataclass(frozen=True)
class WholeOrder(ListedOrder):
    """An order with its terms."""

    subtotal: Usdt
    shipping_cost: Usdt
    shipping_tax: Usdt
    tax_amount: Usdt
    expires_at: datetime
    confirmed_at: datetime | None
    cancel_reason: CancelReason | None
    ship_state: str
    ship_zip: str
    age_check_id: UUID | None


@dataclass(frozen=True)
class _Payment:
    id: UUID
    provider: str
    state: PaymentState
    amount: Usdt
    refund_open: Usdt
    refunded: Usdt
    reason: str | None
    created_at: datetime


@dataclass(frozen=True)
class _Operation:
    id: UUID
    payment_id: UUID
    kind: OperationKind
    amount: Usdt
    status: OperationStatus
    recorded_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    evidence: str | None
    reference: str | None
    reason: str | None


@dataclass(frozen=True)
class _Said:
    operation_id: UUID
    person_id: UUID
    username: str
    outcome: Outcome
    reference: str | None
    evidence: str
    said_at: datetime


@dataclass(frozen=True)
class _Refund:
    id: UUID
    reason: RefundReason
    goods: Usdt
    shipping: Usdt
    tax: Usdt
    amount: Usdt
    recorded_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True)
class _RefundLine:
    refund_id: UUID
    sku: str
    tins: int
    goods: Usdt
    tax: Usdt


def orders(tx: Tx, wanted: Wanted, after: Position | None, limit: int) -> list[ListedOrder]:
    """Orders that match every condition after a position, newest first. The query is planned anew each time, to use the
    index of the given conditions. An order is wholesale if it has an account, of which there is an index.
    """
    tx.run_later("SET LOCAL plan_cache_mode = force_custom_plan")
    if wanted.payment:
        return orders_paid(tx, wanted, wanted.payment, after, limit)
    return tx.all(
        ListedOrder,
        """
        SELECT o.id, o.number, o.kind, o.state, paid.status AS payment, o.total_amount, paid.refunded,
               o.cancel_wanted_at IS NOT NULL AND o.cancel_refused_at IS NULL AS cancel_wanted,
               o.placed_at, o.member_id, m.username, m.email
        FROM orders o JOIN members m ON m.id = o.member_id CROSS JOIN LATERAL order_paid(o.id) paid
        WHERE (CAST(:state AS order_state) IS NULL OR o.state = CAST(:state AS order_state))
          AND (CAST(:kind AS text) IS NULL OR (o.account_id IS NOT NULL) = (CAST(:kind AS text) = 'wholesale'))
          AND (CAST(:from AS timestamptz) IS NULL OR o.placed_at >= :from)
          AND (CAST(:to AS timestamptz) IS NULL OR o.placed_at < :to)
          AND (CAST(:number AS bigint) IS NULL OR o.number = :number)
          AND (CAST(:email AS text) IS NULL
               OR o.member_id = ANY(ARRAY(SELECT id FROM members WHERE lower(email) = lower(:email))))
          AND (CAST(:at AS timestamptz) IS NULL OR (o.placed_at, o.id) < (:at, CAST(:id AS uuid)))
        ORDER BY o.placed_at DESC, o.id DESC LIMIT :limit
        """,
        **_conditions(wanted, after, limit),
    )


def orders_paid(
    tx: Tx, wanted: Wanted, payment: PaymentStatus, after: Position | None, limit: int
) -> list[ListedOrder]:
    """Orders that are paid so and match every other condition after a position, newest first; by way of their newest
    payments, of which few may be so.
    """
    return tx.all(
        ListedOrder,
        """
        SELECT o.id, o.number, o.kind, o.state, CAST(:payment AS text) AS payment, o.total_amount, p.refunded,
               o.cancel_wanted_at IS NOT NULL AND o.cancel_refused_at IS NULL AS cancel_wanted,
               o.placed_at, o.member_id, m.username, m.email
        FROM payments p JOIN orders o ON o.id = p.order_id JOIN members m ON m.id = o.member_id
        WHERE payment_word(p.state, p.amount, p.refunded) = :payment
          AND NOT EXISTS (SELECT FROM payments later
                          WHERE later.order_id = p.order_id AND (later.created_at, later.id) > (p.created_at, p.id))
          AND (CAST(:state AS order_state) IS NULL OR o.state = CAST(:state AS order_state))
          AND (CAST(:kind AS text) IS NULL OR (o.account_id IS NOT NULL) = (CAST(:kind AS text) = 'wholesale'))
          AND (CAST(:from AS timestamptz) IS NULL OR o.placed_at >= :from)
          AND (CAST(:to AS timestamptz) IS NULL OR o.placed_at < :to)
          AND (CAST(:number AS bigint) IS NULL OR o.number = :number)
          AND (CAST(:email AS text) IS NULL
               OR o.member_id = ANY(ARRAY(SELECT id FROM members WHERE lower(email) = lower(:email))))
          AND (CAST(:at AS timestamptz) IS NULL OR (p.ordered_at, p.order_id) < (:at, CAST(:id AS uuid)))
        ORDER BY p.ordered_at DESC, p.order_id DESC LIMIT :limit
        """,
        payment=payment,
        **_conditions(wanted, after, limit),
    )


def _conditions(wanted: Wanted, after: Position | None, limit: int) -> dict[str, object]:
    return {
        "state": wanted.state,
        "kind": wanted.kind,
        "from": wanted.placed_from,
        "to": wanted.placed_to,
        "number": wanted.number,
        "email": wanted.email,
        "at": after.at if after else None,
        "id": after.id if after else None,
        "limit": limit,
    }


def order(tx: Tx, order_id: UUID) -> WholeOrder | None:
    """An order with its terms; None if there is none."""
    return tx.first(
        WholeOrder,
        """
        SELECT o.id, o.number, o.kind, o.state, paid.status AS payment, o.total_amount, paid.refunded,
               o.cancel_wanted_at IS NOT NULL AND o.cancel_refused_at IS NULL AS cancel_wanted,
               o.placed_at, o.member_id, m.username, m.email, o.subtotal, o.shipping_cost, o.shipping_tax, o.tax_amount,
               o.expires_at, o.confirmed_at, o.cancel_reason, o.ship_state, o.ship_zip, o.age_check_id
        FROM orders o JOIN members m ON m.id = o.member_id CROSS JOIN LATERAL order_paid(o.id) paid WHERE o.id = :id
        """,
        id=order_id,
    )


def requests(tx: Tx, status: str | None, after: Position | None, limit: int) -> list[RefundRequest]:
    """Refunds that admins have asked for, of one status if given, newest first."""
    return tx.all(
        RefundRequest,
        """
        SELECT id, order_id, kind, tins, amount, reason, note, status, needs_approval, requested_by, requested_at,
               decided_by, decided_at, decision_note
        FROM refund_requests
        WHERE (CAST(:status AS text) IS NULL OR status = :status)
          AND (CAST(:at AS timestamptz) IS NULL OR (requested_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY requested_at DESC, id DESC LIMIT :limit
        """,
        status=status,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def summary(row: ListedOrder) -> AdminOrder:
    """An order as the list of admins shows it."""
    return AdminOrder(**_summed(row))


def _summed(row: ListedOrder) -> dict[str, object]:
    return {
        "id": row.id,
        "order_number": number_of(row.kind, row.number, row.placed_at),
        "status": row.state,
        "payment": row.payment,
        "total": row.total_amount,
        "refunded_amount": row.refunded,
        "cancel_wanted": row.cancel_wanted,
        "placed_at": row.placed_at,
        "member_id": row.member_id,
        "username": row.username,
        "email": row.email,
    }


def detail(tx: Tx, row: WholeOrder, left: Usdt) -> AdminOrderDetail:
    """An order with everything around it; `left` is what could still be refunded."""
    return AdminOrderDetail(
        **_summed(row),
        items=_items(tx, row.id),
        subtotal=row.subtotal,
        shipping=row.shipping_cost,
        shipping_tax=row.shipping_tax,
        tax=row.tax_amount,
        left=left,
        expires_at=row.expires_at,
        confirmed_at=row.confirmed_at,
        cancel_reason=row.cancel_reason,
        ship_state=row.ship_state,
        ship_zip=row.ship_zip,
        age_check=_age(tx, row.age_check_id),
        payments=_payments(tx, row.id),
        fulfilments=parcel_records.of_order(tx, row.id),
        refunds=_refunds(tx, row.id),
        refund_requests=_requests_of(tx, row.id),
        diary=_diary(tx, row.id),
    )


def operation(tx: Tx, order_id: UUID, operation_id: UUID) -> PaymentOperation:
    """An operation of the order, with what people have said of it."""
    said = _said(tx, order_id)
    (found,) = (each for each in _operations(tx, order_id) if each.id == operation_id)
    return _shown(found, said[found.id])


def _items(tx: Tx, order_id: UUID) -> list[AdminOrderLine]:
    return tx.all(
        AdminOrderLine,
        """
        SELECT sku, product_name, quantity, unit_price, line_total, tax, shipped, refunded FROM order_items
        WHERE order_id = :order_id ORDER BY product_name, sku
        """,
        order_id=order_id,
    )


def _age(tx: Tx, check_id: UUID | None) -> AgeResult | None:
    return tx.first(
        AgeResult, "SELECT status, reference, reason, decided_at FROM age_checks WHERE id = :id", id=check_id
    )


def _payments(tx: Tx, order_id: UUID) -> list[AdminPayment]:
    said, made = _said(tx, order_id), _operations(tx, order_id)
    found = tx.all(
        _Payment,
        """
        SELECT id, provider, state, amount, refund_open, refunded, reason, created_at FROM payments
        WHERE order_id = :order_id ORDER BY created_at, id
        """,
        order_id=order_id,
    )
    return [
        AdminPayment(
            **vars(payment),
            operations=[_shown(each, said[each.id]) for each in made if each.payment_id == payment.id],
        )
        for payment in found
    ]


def _operations(tx: Tx, order_id: UUID) -> list[_Operation]:
    return tx.all(
        _Operation,
        """
        SELECT o.id, o.payment_id, o.kind, o.amount, o.status, o.recorded_at, o.sent_at, o.answered_at, o.evidence,
               o.reference, o.reason
        FROM payments p JOIN payment_operations o ON o.payment_id = p.id
        WHERE p.order_id = :order_id ORDER BY o.recorded_at, o.id
        """,
        order_id=order_id,
    )


def _shown(made: _Operation, said: Sequence[_Said]) -> PaymentOperation:
    told = {name: value for name, value in vars(made).items() if name != "payment_id"}
    words = [{name: value for name, value in vars(each).items() if name != "operation_id"} for each in said]
    return PaymentOperation(**told, resolutions=[ResolutionSaid(**word) for word in words])


def _said(tx: Tx, order_id: UUID) -> Mapping[UUID, list[_Said]]:
    """The words of people about the order's operations, by operation, earliest first."""
    found = tx.all(
        _Said,
        """
        SELECT said.operation_id, said.person_id, m.username, said.outcome, said.reference, said.why AS evidence,
               said.said_at
        FROM payments p JOIN payment_operations o ON o.payment_id = p.id
        JOIN operation_resolutions said ON said.operation_id = o.id JOIN members m ON m.id = said.person_id
        WHERE p.order_id = :order_id ORDER BY said.said_at, said.person_id
        """,
        order_id=order_id,
    )
    by_operation = defaultdict[UUID, list[_Said]](list)
    for each in found:
        by_operation[each.operation_id].append(each)
    return by_operation


def _refunds(tx: Tx, order_id: UUID) -> list[AdminRefund]:
    lines = tx.all(
        _RefundLine,
        """
        SELECT line.refund_id, line.sku, line.tins, line.goods, line.tax
        FROM refunds JOIN refund_lines line ON line.refund_id = refunds.id
        WHERE refunds.order_id = :order_id ORDER BY line.sku
        """,
        order_id=order_id,
    )
    found = tx.all(
        _Refund,
        """
        SELECT refunds.id, refunds.reason, goods, shipping, tax, refunds.amount, refunds.recorded_at,
               CASE operation.status WHEN 'succeeded' THEN operation.answered_at END AS paid_at
        FROM refunds JOIN payment_operations operation USING (id)
        WHERE order_id = :order_id ORDER BY refunds.recorded_at, refunds.id
        """,
        order_id=order_id,
    )
    return [
        AdminRefund(
            **vars(refund),
            lines=[
                AdminRefundLine(sku=line.sku, tins=line.tins, goods=line.goods, tax=line.tax)
                for line in lines
                if line.refund_id == refund.id
            ],
        )
        for refund in found
    ]


def _requests_of(tx: Tx, order_id: UUID) -> list[RefundRequest]:
    return tx.all(
        RefundRequest,
        """
        SELECT id, order_id, kind, tins, amount, reason, note, status, needs_approval, requested_by, requested_at,
               decided_by, decided_at, decision_note
        FROM refund_requests WHERE order_id = :order_id ORDER BY requested_at, id
        """,
        order_id=order_id,
    )


def _diary(tx: Tx, order_id: UUID) -> list[DiaryEntry]:
    """The last DIARY_MAX things that happened to the order, oldest first: its states, what operations ended as, and
    acts of admins.
    """
    newest_first = tx.all(
        DiaryEntry,
        """
        SELECT at, kind, what, reason, username FROM (
            SELECT happened_at AS at, 'state' AS kind, CAST(state AS text) AS what, reason, NULL AS username, id AS turn
            FROM order_events WHERE order_id = :order_id
            UNION ALL
            SELECT coalesce(o.answered_at, o.sent_at, o.recorded_at), 'payment', o.kind || ' ' || o.status, o.reason,
                   NULL, 0
            FROM payments p JOIN payment_operations o ON o.payment_id = p.id WHERE p.order_id = :order_id
            UNION ALL
            SELECT log.created_at, 'act', log.action, coalesce(log.changes ->> 'reason', log.changes ->> 'note'),
                   m.username, log.id
            FROM audit_logs log LEFT JOIN members m ON m.id = log.actor_id
            WHERE log.resource_type = 'order' AND log.resource_id = CAST(CAST(:order_id AS uuid) AS text)
        ) entries ORDER BY at DESC, kind DESC, turn DESC LIMIT :limit
        """,
        order_id=order_id,
        limit=DIARY_MAX,
    )
    return newest_first[::-1]
