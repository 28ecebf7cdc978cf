"""Settings from the environment: a small model per concern, read on first use, never at import."""

import os
from functools import cache
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class ConfigMissing(Exception):
    """Raised when an environment variable is missing or malformed; the message names it, but not its value."""


class Config(BaseModel):
    """A group of settings, read from environment variables with the fields' names: `gateway_url` is GATEWAY_URL."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings. Raises ConfigMissing, which names the first variable that is wrong."""
        given = {name: os.environ[name.upper()] for name in cls.model_fields if os.environ.get(name.upper())}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0]).upper()
            raise ConfigMissing(f"environment variable {name}: {error.errors()[0]['msg']}") from None


ConfigModel = TypeVar("ConfigModel", bound=Config)


@cache
def read(model: type[ConfigModel]) -> ConfigModel:
    """The settings of one concern, read once per process (`read.cache_clear()` forgets them). Raises ConfigMissing."""
    return model.from_environment()


def service_name(function: str) -> str:
    """The function's name as a service: Cloud Run names take no underscore, so payout_send is payout-send."""
    return function.replace("_", "-")
