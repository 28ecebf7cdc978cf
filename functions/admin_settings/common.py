"""Types and the Api that all operations on settings share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Owner = Annotated[Admin, Role.OWNER]

api = Api("admin_settings")
