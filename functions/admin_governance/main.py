"""HTTP for admins: votes of the members and what whales propose (docs/votes.md).

All of it is for the operations role. Each module has one matter's operations.
"""

from flask import Request, Response

from functions.admin_governance import proposals, votes
from functions.admin_governance.common import api

__all__ = ["admin_governance", "api", "proposals", "votes"]


def admin_governance(request: Request) -> Response:
    return api.handle(request)
