"""One example request for each operation of admins on orders, in a function of its name."""

from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared import clock
from shared.auth import Role
from shared.credentials import totp
from tests import factories
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.shop_client import MINT
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

PATH = "/v1/admin/orders"


def paid_order(buyer: Somebody | None = None, tins: int = 2) -> UUID:
    """Return a new order that is paid."""
    order_rows.counted(500)
    who = buyer or factories.member()
    order_id = order_rows.placed(who, {MINT: tins}, at=clock.now())
    order_rows.paid(who, order_id)
    return order_id


def waiting_refund(scene: Scene, order_id: UUID) -> str:
    """The id of a refund of the order that another admin has asked for, and may not decide alone."""
    asker = scene.client(factories.member(role=Role.OPERATIONS).token)
    body = {"kind": "amount", "amount": 150, "reason": "goodwill", "note": "It came late"}
    answer = asker.post(f"{PATH}/{order_id}/refunds", body, **{"Idempotency-Key": str(uuid4())})
    assert answer.body["status"] == "waiting"
    return str(answer.body["id"])


def refused_refund(sql: Connection, order_id: UUID) -> UUID:
    """A refund of the whole order that its provider has refused; returns the id of its operation."""
    ((payment,),) = sql.execute_unnamed("SELECT id FROM payments WHERE order_id = $1", (order_id,)).rows
    order_rows.refunded(order_id, payment, is_done=False)
    ((operation,),) = sql.execute_unnamed(
        """
        UPDATE payment_operations SET status = 'sent', sent_at = recorded_at WHERE payment_id = $1 AND kind = 'refund'
        RETURNING id
        """,
        (payment,),
    ).rows
    sql.execute_unnamed(
        """
        UPDATE payment_operations
        SET status = 'failed', answered_at = sent_at, evidence = 'reply', look_at = NULL WHERE id = $1
        """,
        (operation,),
    )
    return UUID(str(operation))


def refused_order(sql: Connection, buyer: Somebody | None = None) -> UUID:
    """A paid order that the warehouse has refused to send."""
    order_id = paid_order(buyer)
    for change in (
        "status = 'sent', sent_at = recorded_at",
        "status = 'refused', answered_at = recorded_at, evidence = 'reply', look_at = NULL",
    ):
        sql.execute_unnamed(f"UPDATE fulfilments SET {change} WHERE order_id = $1", (order_id,))
    return order_id


def resend_order(scene: Scene) -> Request:
    path = f"{PATH}/{refused_order(scene.sql)}/resend"
    return as_json(scene.member(Role.OPERATIONS), path, {"reason": "It is there again"}, {"reason": "They have asked"})


def _parcel() -> dict[str, object]:
    return {"carrier": "UPS", "tracking_number": f"1Z{uuid4().hex.upper()}", "reason": "The warehouse has none"}


def parcel_by_hand(scene: Scene, order_id: UUID) -> str:
    """The id of a parcel with everything of the order, which another admin has sent by hand."""
    sender = scene.client(factories.member(role=Role.OPERATIONS).token)
    answer = sender.post(f"{PATH}/{order_id}/ship", _parcel(), **{"Idempotency-Key": str(uuid4())})
    return str(answer.body["fulfilments"][-1]["parcels"][0]["id"])


def ship_order(scene: Scene) -> Request:
    path = f"{PATH}/{refused_order(scene.sql)}/ship"
    return as_json(scene.member(Role.OPERATIONS), path, _parcel(), _parcel())


def record_parcel_outcome(scene: Scene) -> Request:
    order_id = refused_order(scene.sql)
    path = f"{PATH}/{order_id}/parcels/{parcel_by_hand(scene, order_id)}/outcome"
    body = {"outcome": "delivered", "reason": "The carrier says so"}
    return as_json(scene.member(Role.OPERATIONS), path, body, body | {"outcome": "lost"})


def _code() -> tuple[Somebody, str]:
    """An admin with a code of their app."""
    who = factories.member(role=Role.OPERATIONS)
    return who, totp.code(factories.second_factor(who), totp.step_of(clock.now()))


def change_order(scene: Scene) -> Request:
    body = {"status": "cancelled", "reason": "The buyer has called"}
    admin = scene.member(Role.OPERATIONS)
    return as_json(admin, f"{PATH}/{paid_order()}", body, body | {"reason": "The buyer has written"})


def show_order_address(scene: Scene) -> Request:
    body = {"reason": "The parcel came back"}
    return as_json(scene.member(Role.OPERATIONS), f"{PATH}/{paid_order()}/address", body, {"reason": "The buyer asks"})


def export_sent(scene: Scene) -> Request:
    body = {"month": "2026-11", "state": "NY", "reason": "The report is due"}
    return as_json(scene.member(Role.OPERATIONS), "/v1/admin/order-exports", body, body | {"state": "CA"})


def refund_order(scene: Scene) -> Request:
    body = {"kind": "amount", "amount": 1, "reason": "goodwill", "note": "It came late"}
    return as_json(scene.member(Role.OPERATIONS), f"{PATH}/{paid_order()}/refunds", body, body | {"amount": 2})


def approve_refund(scene: Scene) -> Request:
    order_id = paid_order(tins=40)
    path = f"{PATH}/{order_id}/refunds/{waiting_refund(scene, order_id)}/approve"
    who, code = _code()
    body = {"totp": code, "note": "The picture shows it"}
    return as_json(scene.client(who.token), path, body, body | {"note": "The letter says so"})


def reject_refund(scene: Scene) -> Request:
    order_id = paid_order(tins=40)
    path = f"{PATH}/{order_id}/refunds/{waiting_refund(scene, order_id)}/reject"
    return as_json(scene.member(Role.OPERATIONS), path, {"reason": "It was sent again"}, {"reason": "It is too much"})


def resolve_payment(scene: Scene) -> Request:
    order_id = paid_order()
    path = f"{PATH}/{order_id}/payments/{refused_refund(scene.sql, order_id)}/resolve"
    who, code = _code()
    body = {"outcome": "paid_elsewhere", "reference": "Check 1042", "evidence": "The card is closed", "totp": code}
    return as_json(scene.client(who.token), path, body, body | {"reference": "Check 1043"})
