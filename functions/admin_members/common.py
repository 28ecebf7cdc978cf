"""Types and the Api that all operations about members share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Operations = Annotated[Admin, Role.OPERATIONS]
Owner = Annotated[Admin, Role.OWNER]

api = Api("admin_members")
