"""HTTP: a member's wholesale account, its prices and its orders (docs/product.md, "Shop")."""

from flask import Request, Response

from functions.wholesale import accounts, ordering
from functions.wholesale.common import api

__all__ = ["accounts", "api", "ordering", "wholesale"]


def wholesale(request: Request) -> Response:
    return api.handle(request)
