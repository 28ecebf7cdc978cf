"""The port of Stargate speaks to contracts with its functions and events, on two real chains."""

from collections.abc import Iterator

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from emulators.chain import bridge
from emulators.chain.bridge import HOME_EID, SOURCE_CHAIN_ID, SOURCE_EID, BridgeStandIn
from emulators.chain.node import ChainNode
from shared.ports import stargate
from shared.ports.polygon.failures import NodeRefused
from shared.ports.polygon.nodes import Nodes
from shared.ports.polygon.rpc import Node
from shared.ports.stargate import Arrival, Bridge, BridgeDeparture, StargateConfig
from shared.values import stargate as calls
from shared.values.stargate import SendTerms

TREASURY = "0x4444444444444444444444444444444444444444"
AMOUNT = 1_000_000_000
ARRIVES = 999_700_000  # less 300 millionths
WALLET = Account.from_key("0x" + "11" * 32)


@pytest.fixture(scope="module")
def ends() -> Iterator[BridgeStandIn]:
    """Both chains, with a wallet on the source that has USDT and gas."""
    nodes = [ChainNode(block_time_seconds=None, chain_id=chain_id) for chain_id in (SOURCE_CHAIN_ID, 137)]
    for node in nodes:
        node.start()
        node.deploy_usdt()
    made = BridgeStandIn.between(*nodes)
    made.source.fund_gas(WALLET.address, 10**19)
    made.source.mint(WALLET.address, 10 * AMOUNT)
    yield made
    for node in nodes:
        node.stop()


@pytest.fixture
def port(ends: BridgeStandIn) -> Bridge:
    given = {name.lower(): value for name, value in ends.settings.items()}
    return Bridge(Nodes([Node(ends.source.url)]), StargateConfig.model_validate(given, strict=False))


def transaction(to: str, data: str, value: int = 0) -> dict[str, object]:
    return {"chain_id": SOURCE_CHAIN_ID, "to_address": to, "data": data, "value_wei": str(value)}


def sent(ends: BridgeStandIn, port: Bridge, minimum: int = ARRIVES) -> tuple[str, SendTerms]:
    """The hash of a transaction that sends AMOUNT, in a block that is not final yet, and its terms."""
    allow = calls.approve(ends.source_contract, AMOUNT)
    ends.sign_and_send(WALLET, transaction(ends.source.usdt, allow))
    ends.source.mine()
    terms = SendTerms(HOME_EID, TREASURY, AMOUNT, minimum)
    fee = calls.fee_of(port.fee(terms))
    data = calls.send(terms, fee, WALLET.address)
    hash_ = ends.sign_and_send(WALLET, transaction(ends.source_contract, data, fee))
    ends.source.mine()
    return hash_, terms


def test_the_calls_and_events_are_those_of_the_contract() -> None:
    named = bridge.artifact()["methodIdentifiers"]
    param = "(uint32,bytes32,uint256,uint256,bytes,bytes,bytes)"
    assert [
        f"0x{named[it]}"
        for it in (
            f"quoteOFT({param})",
            f"quoteSend({param},bool)",
            f"send({param},(uint256,uint256),address)",
            "token()",
        )
    ] == [calls.QUOTE_OFT, calls.QUOTE_SEND, calls.SEND, calls.ITS_TOKEN]
    told = ("approve(address,uint256)", "allowance(address,address)")
    assert [f"0x{keccak(text=it)[:4].hex()}" for it in told] == [calls.APPROVE, calls.ALLOWANCE]
    events = ("OFTSent(bytes32,uint32,address,uint256,uint256)", "OFTReceived(bytes32,uint32,address,uint256)")
    assert [f"0x{keccak(text=it).hex()}" for it in events] == [calls.OFT_SENT, calls.OFT_RECEIVED]


def test_a_quote_tells_what_would_arrive_and_what_it_costs(ends: BridgeStandIn, port: Bridge) -> None:
    assert port.quote(TREASURY, AMOUNT) == stargate.BridgeQuote(ARRIVES, 10**14, 1, 10**13)
    ends.charge(300, limit_micro=AMOUNT - 1)
    with pytest.raises(NodeRefused):
        port.quote(TREASURY, AMOUNT)
    ends.charge(300)


def test_what_is_signed_as_it_was_handed_out_leaves_and_arrives(ends: BridgeStandIn, port: Bridge) -> None:
    assert port.allowance(WALLET.address) == 0
    hash_, terms = sent(ends, port)
    assert port.final(SOURCE_CHAIN_ID, hash_) is None
    ends.source.mine(5)

    found = port.final(SOURCE_CHAIN_ID, hash_)

    assert found
    assert (found.sender, found.to, found.succeeded) == (
        WALLET.address.lower(),
        ends.source_contract.lower(),
        True,
    )
    assert calls.is_send(found.data, terms, WALLET.address)
    (left,) = stargate.departures(found, ends.source_contract)
    assert left == BridgeDeparture(left.guid, HOME_EID, WALLET.address.lower(), AMOUNT, ARRIVES)

    ends.deliver(left.guid, TREASURY, ARRIVES)
    head = ends.home.head()
    home = Nodes([Node(ends.home.url)])
    (came,) = stargate.arrivals(home, ends.home_contract, left.guid, 0, head)
    (moved,) = home.movements(ends.home.usdt, recipient=TREASURY, first=0, last=head)
    assert came == Arrival(left.guid, SOURCE_EID, TREASURY, ARRIVES, moved.transaction_hash, head)
    stargate.require_token(home, ends.home_contract, ends.home.usdt)


def test_a_worse_rate_reverts_it_and_a_reorganisation_takes_it_away(ends: BridgeStandIn, port: Bridge) -> None:
    hash_, _ = sent(ends, port, minimum=ARRIVES + 1)
    ends.source.mine(5)
    found = port.final(SOURCE_CHAIN_ID, hash_)
    assert found
    assert (found.succeeded, stargate.departures(found, ends.source_contract)) == (False, [])

    gone, _ = sent(ends, port)
    ends.source.reorg(1)
    ends.source.mine(5)
    assert port.final(SOURCE_CHAIN_ID, gone) is None
