"""HTTP for admins: members' accounts, roles, tiers and suspension. Each module has the operations of one subject."""

from flask import Request, Response

from functions.admin_members import roles, suspension, tiers_by_hand, users
from functions.admin_members.common import api

__all__ = ["admin_members", "api", "roles", "suspension", "tiers_by_hand", "users"]


def admin_members(request: Request) -> Response:
    return api.handle(request)
