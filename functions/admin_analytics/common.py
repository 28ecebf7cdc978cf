"""The Api and the types that all operations share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Operations = Annotated[Admin, Role.OPERATIONS]
Treasurer = Annotated[Admin, Role.TREASURY]

api = Api("admin_analytics")
