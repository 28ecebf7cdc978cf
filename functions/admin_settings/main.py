"""HTTP for owners: the settings of the platform. Each module has the operations of one subject."""

from flask import Request, Response

from functions.admin_settings import changing
from functions.admin_settings.common import api

__all__ = ["admin_settings", "api", "changing"]


def admin_settings(request: Request) -> Response:
    return api.handle(request)
