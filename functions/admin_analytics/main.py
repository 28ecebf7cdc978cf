"""HTTP for admins: metrics over time, and reports as files (docs/insights.md, "Analytics" and "Reports")."""

from flask import Request, Response

from functions.admin_analytics import exporting, metrics
from functions.admin_analytics.common import api

__all__ = ["api", "exporting", "metrics"]


def admin_analytics(request: Request) -> Response:
    return api.handle(request)
