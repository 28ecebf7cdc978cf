"""Types and the Api that all operations about the chat share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Support = Annotated[Admin, Role.SUPPORT]
Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_social")
