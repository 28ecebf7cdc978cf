"""The Api and the types that all operations of admins on votes share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_governance")
