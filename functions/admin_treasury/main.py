"""HTTP for treasury admins (docs/product.md, "Pools and treasuries"). Each module has one matter's operations."""

from flask import Request, Response

from functions.admin_treasury import (
    card_payments,
    comparisons,
    deposits,
    foreign_nonces,
    invoices,
    payments,
    pools,
    top_ups,
    transfers,
)
from functions.admin_treasury.common import api

__all__ = [
    "api",
    "card_payments",
    "comparisons",
    "deposits",
    "foreign_nonces",
    "invoices",
    "payments",
    "pools",
    "top_ups",
    "transfers",
]


def admin_treasury(request: Request) -> Response:
    return api.handle(request)
