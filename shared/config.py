"""Settings from the environment: a small model per concern, read on first use, never at import."""

import os
from functools import cache
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class ConfigMissing(Exception):
    """An environment variable is missing or malformed; the message names it, never its value."""


class Config(BaseModel):
    """Fields are read from environment variables of the same name in capitals: `gateway_url` is GATEWAY_URL."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Raises ConfigMissing naming the first variable that is wrong."""
        given = {name: os.environ[name.upper()] for name in cls.model_fields if os.environ.get(name.upper())}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0]).upper()
            raise ConfigMissing(f"environment variable {name}: {error.errors()[0]['msg']}") from None


ConfigModel = TypeVar("ConfigModel", bound=Config)


@cache
def read(model: type[ConfigModel]) -> ConfigModel:
    """The settings of one concern, read once per process; `read.cache_clear()` forgets them."""
    return model.from_environment()


def service_name(function: str) -> str:
    """Cloud Run names take no underscore: the function payout_send is the service payout-send."""
    return function.replace("_", "-")
