"""HTTP for admins: a member's tiers and suspension. Each module has the operations of one subject."""

from flask import Request, Response

from functions.admin_members import suspension, tiers_by_hand
from functions.admin_members.common import api

__all__ = ["admin_members", "api", "suspension", "tiers_by_hand"]


def admin_members(request: Request) -> Response:
    return api.handle(request)
