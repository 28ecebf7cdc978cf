"""HTTP: a member's wholesale account, its prices, orders and webhooks (docs/product.md, "Shop")."""

from flask import Request, Response

from functions.wholesale import accounts, ordering, webhooks
from functions.wholesale.common import api

__all__ = ["accounts", "api", "ordering", "webhooks", "wholesale"]


def wholesale(request: Request) -> Response:
    return api.handle(request)
