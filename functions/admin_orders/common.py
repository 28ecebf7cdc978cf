"""Types and the Api that all operations on orders for admins share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_orders")
