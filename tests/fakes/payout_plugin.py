"""Gives a test of the payout machine the logins `app` and `owner`, `rows` made with `app`, and a `payout_driver`."""

import io
import logging
from collections.abc import Iterator

import pytest

from shared import log
from shared.ports.polygon import chain
from tests.fakes import payout_rows
from tests.fakes.chain import FakeChain
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, Login, PayoutRows

pytest_plugins = ["tests.fakes.clock_plugin"]

BLOCKS_BEFORE = 5
TREASURY_AMOUNTS = 100  # the treasury's balance, in AMOUNTs


@pytest.fixture
def app(database: str) -> Iterator[Login]:
    """The login of the functions."""
    assert database
    with payout_rows.functions_login() as login:
        yield login


@pytest.fixture
def owner(database: str) -> Iterator[Login]:
    """The login of the schema's owner."""
    assert database
    with payout_rows.owner_login() as login:
        yield login


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """The product's own log lines, as they are written during the test."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.logger().handlers[0].formatter)
    log.logger().addHandler(handler)
    yield stream
    log.logger().removeHandler(handler)


@pytest.fixture
def rows(app: Login) -> PayoutRows:
    return PayoutRows(app)


@pytest.fixture
def payout_driver(rows: PayoutRows, monkeypatch: pytest.MonkeyPatch) -> Iterator[PayoutDriver]:
    """The payout functions with a simulated chain as their port. The test fails if a nonce is used twice."""
    token = rows.login.value("SELECT token_address FROM treasuries WHERE name = 'member'")
    made = PayoutDriver(FakeChain(token))
    made.chain.mint(rows.signer(), TREASURY_AMOUNTS * AMOUNT)
    made.chain.mine(BLOCKS_BEFORE)
    monkeypatch.setattr(chain, "connect", lambda: made.chain)
    yield made
    used = [(sent.sender, sent.nonce) for sent in made.chain.transfers()]
    assert len(set(used)) == len(used)
