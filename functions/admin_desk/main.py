"""HTTP for admins: what was done, what waits, how well all is, and what is critical.

Each module has the operations of one subject.
"""

from flask import Request, Response

from functions.admin_desk import audit_log, critical_events, dashboard, health, integrations
from functions.admin_desk.common import api

__all__ = ["admin_desk", "api", "audit_log", "critical_events", "dashboard", "health", "integrations"]


def admin_desk(request: Request) -> Response:
    return api.handle(request)
