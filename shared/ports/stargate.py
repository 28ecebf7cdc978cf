"""Stargate V2: the chain from which people top up treasuries, as its nodes tell it, and what arrives on ours.

Nothing is signed or sent here. STARGATE_RPC_URLS (nodes of the source chain, with commas between them; without any,
nobody tops up), and what to send there by default: USDT of Ethereum. The contracts are listed at
https://docs.stargate.finance; that they move the tokens which are expected is asked before each quote.
"""

from dataclasses import dataclass
from functools import cache

from shared.config import Config, read
from shared.ports import outcomes
from shared.ports.polygon.answers import reading
from shared.ports.polygon.failures import ChainFailure, NodeRefused
from shared.ports.polygon.included import ContractLog, Included
from shared.ports.polygon.nodes import Nodes
from shared.ports.polygon.rpc import Node
from shared.values import stargate
from shared.values.stargate import WORD, SendTerms

MICRO_MAX = 2**62  # what our rows can hold
TOPICS = 3  # of both events: the name, the guid, an address
QUOTED_AMOUNTS = 5  # of the answer of quoteOFT: least, most, the place of the details, sent, received


class OtherToken(ChainFailure):
    """Raised when a contract of Stargate moves another token than is expected: nothing may be sent there."""


class StargateConfig(Config):
    """The source chain, its contract and token, and the contract on the treasuries' chain."""

    stargate_rpc_urls: str = ""
    stargate_chain_id: int = 1
    stargate_eid: int = 30101
    stargate_contract: str = "0x933597a323Eb81cAe705C5bC29985172fd5A3973"
    stargate_usdt: str = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
    stargate_home_eid: int = 30109
    stargate_home_contract: str = "0xd47b03ee6d86Cf251ee7860FB2ACf9f91B9fD4d7"


@dataclass(frozen=True)
class BridgeQuote:
    """The amount that would arrive, the fee in the source chain's coin, and the least and most that can be sent now."""

    received_micro: int
    fee_wei: int
    least_micro: int
    most_micro: int


@dataclass(frozen=True)
class BridgeDeparture:
    """A log of the source contract: what a wallet has sent, and what it was promised to arrive."""

    guid: str
    home_eid: int
    sender: str
    spent_micro: int
    promised_micro: int


@dataclass(frozen=True)
class Arrival:
    """A log of the contract on the treasuries' chain: what has come to whom."""

    guid: str
    source_eid: int
    recipient: str
    amount_micro: int
    transaction_hash: str
    block_number: int


class Bridge:
    """The source chain as all its nodes tell it alike. Whatever goes wrong is a ChainFailure."""

    def __init__(self, source: Nodes, route: StargateConfig) -> None:
        self._source = source
        self.route = route

    def quote(self, recipient: str, amount_micro: int) -> BridgeQuote:
        """Quote the sending of so much to the recipient; where nodes differ, the less favourable counts. Raises
        ChainFailure, NodeRefused when the contract would take nothing, OtherToken.
        """
        with outcomes.asking("stargate", ChainFailure, (NodeRefused,)):
            self._source.require(self.route.stargate_chain_id)
            require_token(self._source, self.route.stargate_contract, self.route.stargate_usdt)
            asked = SendTerms(self.route.stargate_home_eid, recipient, amount_micro, 0)
            answers = self._source.each(self.route.stargate_contract, stargate.quote_oft(asked))
            with reading():
                told = [[min(amount, MICRO_MAX) for amount in answer[:QUOTED_AMOUNTS]] for answer in answers]
                least, most, _, _, received = zip(*told, strict=True)
                quoted = _micro(min(received))
            return BridgeQuote(quoted, self.fee(asked), max(least), min(most))

    def fee(self, terms: SendTerms) -> int:
        """The fee of a message by these terms, in wei. Raises ChainFailure, NodeRefused."""
        with outcomes.asking("stargate", ChainFailure, (NodeRefused,)):
            answers = self._source.each(self.route.stargate_contract, stargate.quote_send(terms))
            with reading():
                return max(answer[0] for answer in answers)

    def allowance(self, owner: str) -> int:
        """How much of the owner's tokens the contract may take, in micro. Raises ChainFailure."""
        with outcomes.asking("stargate", ChainFailure):
            asked = stargate.allowance(owner, self.route.stargate_contract)
            told = self._source.call(self.route.stargate_usdt, asked)
            with reading():
                return told[0]

    def final(self, chain_id: int, transaction_hash: str) -> Included | None:
        """A transaction of that chain once its block is final; None before. Raises ChainFailure."""
        with outcomes.asking("stargate", ChainFailure):
            self._source.require(chain_id)
            newest, found = self._source.finalized(), self._source.included(transaction_hash)
            if found is None or found.block_number > newest.number:
                return None
            return found if self._source.block(found.block_number).hash == found.block_hash else None


def require_token(asked: Nodes, contract: str, token: str) -> None:
    """Check that a contract of Stargate moves this token. Raises OtherToken, ChainFailure."""
    told = asked.call(contract, stargate.ITS_TOKEN)
    with reading():
        found = f"0x{told[0]:040x}"
    if found != token.lower():
        raise OtherToken(f"{contract} moves {found}, not {token}")


def departures(found: Included, contract: str) -> list[BridgeDeparture]:
    """The logs of what a transaction has sent by this contract. Raises ChainUnreachable for logs of another form."""
    own = [it for it in found.events if it.contract == contract.lower() and it.topics[:1] == (stargate.OFT_SENT,)]
    with reading():
        return [_departure(it) for it in own]


def arrivals(home: Nodes, contract: str, guid: str, first: int, last: int) -> list[Arrival]:
    """The arrivals of this message in some blocks of the treasuries' chain, in order. Raises ChainFailure, TooMuch."""
    told = home.events(contract, [stargate.OFT_RECEIVED, guid], first, last)
    with reading():
        return [_arrival(it) for it in told]


@cache
def connect() -> Bridge | None:
    """The configured source chain; None if there is none."""
    route = read(StargateConfig)
    urls = list(dict.fromkeys(url.strip() for url in route.stargate_rpc_urls.split(",") if url.strip()))
    return Bridge(Nodes([Node(url) for url in urls]), route) if urls else None


def _departure(it: ContractLog) -> BridgeDeparture:
    home_eid, spent, promised = _words(it, 3)
    return BridgeDeparture(it.topics[1], home_eid, f"0x{it.topics[2][-40:]}", _micro(spent), _micro(promised))


def _arrival(it: ContractLog) -> Arrival:
    source_eid, amount = _words(it, 2)
    return Arrival(
        guid=it.topics[1],
        source_eid=source_eid,
        recipient=f"0x{it.topics[2][-40:]}",
        amount_micro=amount,
        transaction_hash=it.transaction_hash,
        block_number=it.block_number,
    )


def _micro(amount: int) -> int:
    if amount >= MICRO_MAX:
        raise ValueError(f"an absurd amount: {amount}")
    return amount


def _words(it: ContractLog, count: int) -> list[int]:
    if len(it.topics) != TOPICS or len(it.data) != count * WORD:
        raise ValueError("a log of another form")
    return [int(it.data[at : at + WORD], 16) for at in range(0, len(it.data), WORD)]
