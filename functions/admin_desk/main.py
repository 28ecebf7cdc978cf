"""HTTP for admins: the audit log, the dashboard and the health. Each module has the operations of one subject."""

from flask import Request, Response

from functions.admin_desk import audit_log, dashboard, health
from functions.admin_desk.common import api

__all__ = ["admin_desk", "api", "audit_log", "dashboard", "health"]


def admin_desk(request: Request) -> Response:
    return api.handle(request)
