"""Gives a test a `desk`: a member with a funded wallet, on a simulated chain behind both ports."""

from collections.abc import Callable

import pytest

from shared.ports import chain, rpc
from tests import factories
from tests.client import FunctionClient
from tests.fakes.chain import FakeChain
from tests.fakes.nodes import FakeNodes
from tests.fakes.wallet_desk import FUNDS, WalletDesk, new_wallet
from tests.platform import USDT

BLOCKS_BEFORE = 5


@pytest.fixture
def desk(client: Callable[..., FunctionClient], database: str, monkeypatch: pytest.MonkeyPatch) -> WalletDesk:
    """The platform's functions with a simulated chain for their ports."""
    assert database
    wallet = new_wallet()
    made = FakeChain(USDT)
    made.mint(wallet.address, FUNDS)
    made.mine(BLOCKS_BEFORE)
    nodes = FakeNodes(made)
    monkeypatch.setattr(chain, "connect", lambda: made)
    monkeypatch.setattr(rpc, "connect", lambda: nodes)
    member = factories.member(wallet=wallet.address)
    return WalletDesk(made, nodes, member, wallet, client(member.token))
