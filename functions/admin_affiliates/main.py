"""HTTP for admins: affiliates, weeks, reviews, and what is given or taken back by hand (docs/affiliates.md)."""

from flask import Request, Response

from functions.admin_affiliates import affiliates, by_hand, reviews, weeks
from functions.admin_affiliates.common import api

__all__ = ["affiliates", "api", "by_hand", "reviews", "weeks"]


def admin_affiliates(request: Request) -> Response:
    return api.handle(request)
