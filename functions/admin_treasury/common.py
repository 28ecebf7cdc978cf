"""What all operations of treasury admins share: who may call, how a second factor and a reason are sent."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from shared import totp
from shared.api import Api
from shared.auth import Admin, Role
from shared.problems import Problem

Treasurer = Annotated[Admin, Role.TREASURY]
Pool = Literal["member", "affiliate", "wholesale"]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=500, strip_whitespace=True)]
Totp = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]

SECOND_FACTOR: tuple[type[Problem], ...] = (
    totp.SecondFactorLocked,
    totp.SecondFactorNotSetUp,
    totp.SecondFactorUsed,
    totp.SecondFactorWrong,
)

api = Api("admin_treasury")
