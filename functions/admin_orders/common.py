"""Types, the Api and the locking of an order that all operations on orders for admins share."""

from typing import Annotated
from uuid import UUID

from shared.api import Api
from shared.auth import Admin, Role
from shared.db import Tx
from shared.orders import rows
from shared.orders.rows import Order
from shared.payouts import interests
from shared.values.problems import NotFound

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_orders")


def locked(tx: Tx, admin: Admin, order_id: UUID) -> Order:
    """The order, locked, which is not the admin's own. Raises NotFound, OwnInterest."""
    order = rows.lock(tx, order_id)
    if order is None:
        raise NotFound
    interests.require_none_in_member(tx, admin.id, order.member_id)
    return order
