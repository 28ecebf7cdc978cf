"""HTTP for admins: the rules of comps, and comps one by one (docs/product.md, "Prizes").

All of it is for the operations role. Each module has one matter's operations.
"""

from flask import Request, Response

from functions.admin_comps import comp_rules, granting, guarantee_reviews
from functions.admin_comps.common import api

__all__ = ["admin_comps", "api", "comp_rules", "granting", "guarantee_reviews"]


def admin_comps(request: Request) -> Response:
    return api.handle(request)
