"""HTTP for admins: mails of their own, campaigns, and words for mails of the code (docs/mails.md).

All of it is for the operations role. Each module has one matter's operations.
"""

from flask import Request, Response

from functions.admin_mails import campaigns, publishing, templates
from functions.admin_mails.common import api

__all__ = ["admin_mails", "api", "campaigns", "publishing", "templates"]


def admin_mails(request: Request) -> Response:
    return api.handle(request)
