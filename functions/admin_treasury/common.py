"""Types and the Api that all operations of treasury admins share."""

from typing import Annotated, Literal

from shared.api import Api
from shared.auth import Admin, Role

Treasurer = Annotated[Admin, Role.TREASURY]
Pool = Literal["member", "affiliate", "wholesale", "shop"]

api = Api("admin_treasury")
