"""HTTP for owners: settings of the platform, webhooks and API keys. Each module has the operations of one subject."""

from flask import Request, Response

from functions.admin_settings import api_keys, changing, webhooks
from functions.admin_settings.common import api

__all__ = ["admin_settings", "api", "api_keys", "changing", "webhooks"]


def admin_settings(request: Request) -> Response:
    return api.handle(request)
