"""The Api and the types that all operations on affiliates share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Treasurer = Annotated[Admin, Role.TREASURY]

api = Api("admin_affiliates")
