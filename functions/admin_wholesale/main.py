"""HTTP for admins of the wholesale program (docs/product.md, "Shop"). Each module has one matter's operations."""

from flask import Request, Response

from functions.admin_wholesale import accounts, certificates, orders, rewards
from functions.admin_wholesale.common import api

__all__ = ["accounts", "api", "certificates", "orders", "rewards"]


def admin_wholesale(request: Request) -> Response:
    return api.handle(request)
