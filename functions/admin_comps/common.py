"""Types and the Api that all operations about comps share."""

from typing import Annotated

from pydantic import AfterValidator

from functions.admin_comps.rules import AMOUNT_MAX
from shared.api import Api
from shared.auth import Admin, Role
from shared.values.money import Usdt

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_comps")


def amount_from(least: Usdt) -> AfterValidator:
    """Validates amounts from `least` to AMOUNT_MAX, which the policy pays without two more approvals."""

    def check(amount: Usdt) -> Usdt:
        if not least <= amount <= AMOUNT_MAX:
            raise ValueError(f"must be from {least} to {AMOUNT_MAX}")
        return amount

    return AfterValidator(check)
