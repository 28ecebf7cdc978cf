"""Gives a test the stand-in of the wallet provider, which trusts the keys that the platform publishes."""

from collections.abc import Callable, Iterator

import pytest

from emulators.wallet_provider import WalletProviderStandIn
from tests.client import FunctionClient
from tests.platform import Platform


@pytest.fixture
def provider(
    platform: Platform, database: str, client: Callable[..., FunctionClient]
) -> Iterator[WalletProviderStandIn]:
    assert database, "the stand-in has forgotten former tests"
    made = platform.vendors.wallets
    made.fetch_keys = lambda: dict(client().get("/.well-known/jwks.json").body)
    yield made
    made.clear()
