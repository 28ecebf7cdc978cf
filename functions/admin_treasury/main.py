"""HTTP for treasury admins (plan section "Treasury Wallet Management"). Each module has one matter's operations."""

from flask import Request, Response

from functions.admin_treasury import comparisons, payments, pools, transfers
from functions.admin_treasury.common import api

__all__ = ["api", "comparisons", "payments", "pools", "transfers"]


def admin_treasury(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)
