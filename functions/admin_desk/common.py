"""Types and the Api that all operations of the desk share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Operations = Annotated[Admin, Role.OPERATIONS]
Treasurer = Annotated[Admin, Role.TREASURY]

api = Api("admin_desk")
