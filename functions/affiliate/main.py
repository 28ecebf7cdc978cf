"""HTTP for affiliates (docs/affiliates.md). Each module has one matter's operations."""

from flask import Request, Response

from functions.affiliate import clicks, links, payouts, program, published, referrals, stats, vaulting, weeks
from functions.affiliate.common import api

__all__ = ["api", "clicks", "links", "payouts", "program", "published", "referrals", "stats", "vaulting", "weeks"]


def affiliate(request: Request) -> Response:
    return api.handle(request)
