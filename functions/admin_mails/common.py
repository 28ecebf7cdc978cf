"""The Api and the types that all operations on mails and campaigns share."""

from typing import Annotated

from shared.api import Api
from shared.auth import Admin, Role

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_mails")
