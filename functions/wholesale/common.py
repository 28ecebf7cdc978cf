"""The Api of all operations of wholesale accounts, and the addresses that they take and show."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from functions.wholesale import rules
from shared.api import Api
from shared.values import typed
from shared.values.fields import LINE, Body, Reply, Text

Typed = StringConstraints(max_length=typed.TYPED_MAX)

api = Api("wholesale")


class BusinessAddress(Body):
    """Where the business is, or its goods go, in the United States."""

    address_line1: Text
    address_line2: Text | None = None
    city: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    state: Annotated[str, Typed, AfterValidator(typed.us_state)]
    zip_code: Annotated[str, Typed, AfterValidator(rules.zip_code)]


class WholesaleAddress(Reply):
    """An address in the United States, as it was given."""

    address_line1: str
    address_line2: str | None
    city: str
    state: str
    zip_code: str
