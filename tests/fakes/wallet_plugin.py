"""Gives a test a `wallet_driver`: a member with a funded wallet, on a simulated chain behind both ports."""

from collections.abc import Callable

import pytest

from shared.ports.polygon import chain
from shared.ports.polygon import wallets as port
from tests import factories
from tests.client import FunctionClient
from tests.fakes.chain import FakeChain
from tests.fakes.wallet_driver import FUNDS, WalletDriver, new_wallet
from tests.fakes.wallets import FakeWallets
from tests.platform import USDT

BLOCKS_BEFORE = 5


@pytest.fixture
def funded_chain(database: str, monkeypatch: pytest.MonkeyPatch) -> FakeChain:
    """A chain on which every wallet has funds."""
    assert database
    made = FakeChain(USDT)
    made.minted.default_factory = lambda: FUNDS
    made.mine(BLOCKS_BEFORE)
    nodes = FakeWallets(made)
    monkeypatch.setattr(chain, "connect", lambda: made)
    monkeypatch.setattr(port, "connect", lambda: nodes)
    return made


@pytest.fixture
def wallet_driver(client: Callable[..., FunctionClient], funded_chain: FakeChain) -> WalletDriver:
    """A member with a wallet on that chain."""
    wallet = new_wallet()
    member = factories.member(wallet=wallet.address)
    nodes = port.connect()
    assert isinstance(nodes, FakeWallets)
    return WalletDriver(funded_chain, nodes, member, wallet, client(member.token))
