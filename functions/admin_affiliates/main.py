"""HTTP for admins: weeks of affiliates, reviews of referrals, and what is given or taken back by hand."""

from flask import Request, Response

from functions.admin_affiliates import by_hand, reviews, weeks
from functions.admin_affiliates.common import api

__all__ = ["api", "by_hand", "reviews", "weeks"]


def admin_affiliates(request: Request) -> Response:
    return api.handle(request)
