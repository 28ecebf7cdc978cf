"""HTTP for operations admins (docs/shop.md, "What people decide"). Each module has one matter's operations."""

from flask import Request, Response

from functions.admin_orders import exporting, looking, refunding, resolving, shipping
from functions.admin_orders.common import api

__all__ = ["api", "exporting", "looking", "refunding", "resolving", "shipping"]


def admin_orders(request: Request) -> Response:
    return api.handle(request)
