"""The Api and the caller that all operations about wholesale accounts share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_wholesale")
