"""HTTP for admins: the chat (docs/social.md, "Cases"). Each module has the operations of one subject."""

from flask import Request, Response

from functions.admin_social import cases, channels, members, messages, pins
from functions.admin_social.common import api

__all__ = ["admin_social", "api", "cases", "channels", "members", "messages", "pins"]


def admin_social(request: Request) -> Response:
    return api.handle(request)
