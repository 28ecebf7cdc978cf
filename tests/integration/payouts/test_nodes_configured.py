"""Fewer nodes than must agree are asked nothing, and a deployment says when the treasuries pay in something else."""

import pytest
from pg8000.dbapi import Connection

from functions.migrate import main as migrate
from shared import clock, config
from shared.config import read
from shared.ports.polygon import chain, nodes
from shared.ports.polygon.failures import TooFewNodes

ONE = "http://127.0.0.1:9"
OTHER = "http://127.0.0.1:10"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Read anew by whoever asks, before and after."""
    monkeypatch.delenv("RPC_NODES_MIN", raising=False)
    forget()
    return monkeypatch


def forget() -> None:
    config.read.cache_clear()
    for port in (chain, nodes):
        port.connect.cache_clear()


@pytest.mark.parametrize("urls", [ONE, f"{ONE},{ONE}"], ids=["one", "the same twice"])
def test_one_node_decides_nothing_unless_people_have_said_so(environment: pytest.MonkeyPatch, urls: str) -> None:
    environment.setenv("RPC_URLS", urls)

    with pytest.raises(TooFewNodes, match="1 nodes are configured, RPC_NODES_MIN is 2"):
        chain.connect()
    with pytest.raises(TooFewNodes, match="1 nodes are configured"):
        nodes.connect().finalized()
    assert "1 nodes are configured" in str(nodes.connect().look("0x" + "1" * 40, []).fault)

    forget()
    environment.setenv("RPC_NODES_MIN", "1")
    assert chain.connect()
    forget()


def test_two_nodes_are_enough(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RPC_URLS", f"{ONE}, {OTHER}")

    assert chain.connect()
    forget()


@pytest.mark.parametrize(
    ("name", "value"), [("CHAIN_ID", "80002"), ("USDT_ADDRESS", "0x" + "3" * 40)], ids=["chain", "token"]
)
def test_a_deployment_ends_when_the_treasuries_pay_in_something_else(
    database: str, sql: Connection, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert database
    before = sql.execute_simple("SELECT name, chain_id, token_address FROM treasuries ORDER BY name").rows
    migrate.register(read(migrate.MigrateConfig), clock.now())
    monkeypatch.setenv(name, value)
    config.read.cache_clear()

    with pytest.raises(migrate.TreasuriesDiffer, match=f"affiliate treasury pays in .* say .*{value}"):
        migrate.register(read(migrate.MigrateConfig), clock.now())

    assert sql.execute_simple("SELECT name, chain_id, token_address FROM treasuries ORDER BY name").rows == before
    config.read.cache_clear()
