"""HTTP for admins: live events (docs/streams.md). All of it is for the operations role."""

from flask import Request, Response

from functions.admin_streaming import planning, running
from functions.admin_streaming.common import api

__all__ = ["admin_streaming", "api", "planning", "running"]


def admin_streaming(request: Request) -> Response:
    return api.handle(request)
