"""Polygon, over JSON-RPC: balances, fees, sending, receipts, finality. Every configured node must agree.

Facts: Bor takes no priority fee below 25 gwei; the `finalized` block is Heimdall's last milestone
(docs.polygon.technology).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from shared.config import Config, read

if TYPE_CHECKING:
    from web3 import Web3

T = TypeVar("T")

RPC_SECONDS_MAX = 10.0
GAS_LIMIT_TRANSFER = 120_000  # a USDT0 transfer to a new holder takes about half
TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")  # transfer(address,uint256)
BALANCE_SELECTOR = "0x70a08231"  # balanceOf(address)
BLOCKED_SELECTOR = "0xfbac3951"  # isBlocked(address)
TRANSFER_TOPIC = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)


class ChainConfig(Config):
    """The nodes' addresses, comma separated; more than one must agree before money counts as moved."""

    rpc_urls: str


class ChainUnreachable(Exception):
    """A node did not answer, or not what a node answers; nothing is known."""


class NodesDisagree(Exception):
    """Two nodes tell different histories; wait."""


class WrongChain(Exception):
    """A node is on another chain than the treasury: sign nothing."""


class SendOutcome(StrEnum):
    """What a node said to a raw transaction. Only the receipts tell what became of it."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    UNDERPRICED = "underpriced"
    OUT_OF_GAS_MONEY = "out_of_gas_money"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sent:
    """The best of the nodes' answers, and its words."""

    outcome: SendOutcome
    message: str


@dataclass(frozen=True)
class Receipt:
    """Where a transaction was included, and whether it ran to its end; what it did there, `Chain.moved` tells."""

    hash: str
    block_number: int
    block_hash: str
    succeeded: bool


@dataclass(frozen=True)
class Heads:
    """Block numbers: the lowest of the nodes' heads, and of their finalized blocks."""

    latest: int
    finalized: int


@dataclass(frozen=True)
class Fees:
    """Wei per gas: the pending block's base fee, and the tip that nodes suggest."""

    base_wei: int
    priority_wei: int


@dataclass(frozen=True)
class Transfer:
    """An unsigned EIP-1559 transaction that moves `amount_micro` of `token` to `recipient`."""

    chain_id: int
    nonce: int
    token: str
    recipient: str
    amount_micro: int
    gas_limit: int
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int

    @property
    def signing_hash(self) -> bytes:
        """The 32 bytes to sign."""
        return bytes(_typed(self.fields()).hash())

    def fields(self) -> dict[str, Any]:
        """As EIP-2718 type 2."""
        from eth_utils.address import to_checksum_address

        recipient = bytes.fromhex(self.recipient[2:]).rjust(32, b"\x00")
        return {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": self.nonce,
            "to": to_checksum_address(self.token),
            "value": 0,
            "data": TRANSFER_SELECTOR + recipient + self.amount_micro.to_bytes(32, "big"),
            "gas": self.gas_limit,
            "maxFeePerGas": self.fee_per_gas_wei_max,
            "maxPriorityFeePerGas": self.priority_fee_per_gas_wei_max,
            "accessList": (),
        }


@dataclass(frozen=True)
class Signed:
    """A transaction that any node takes."""

    hash: str
    raw: bytes


def signed(transfer: Transfer, r: int, s: int, y_parity: int) -> Signed:
    """The transfer with its signature."""
    from eth_utils.crypto import keccak

    raw = bytes(_typed(transfer.fields() | {"v": y_parity, "r": r, "s": s}).encode())
    return Signed("0x" + keccak(raw).hex(), raw)


class Chain:
    """All configured nodes, asked together."""

    def __init__(self, nodes: Sequence["Web3"]) -> None:
        self._nodes = nodes

    def require(self, chain_id: int) -> None:
        """Raises WrongChain unless every node is on that chain."""
        found = set(self._ask(lambda node: int(node.eth.chain_id)))
        if found != {chain_id}:
            raise WrongChain(f"nodes are on {sorted(found)}, the treasury is on {chain_id}")

    def token_balance(self, token: str, address: str) -> int:
        """Micro-USDT at the finalized block; of several nodes the lowest."""
        data = BALANCE_SELECTOR + _padded(address)
        return min(self._ask(lambda node: _call(node, token, data, "finalized")))

    def is_blocked(self, token: str, address: str) -> bool:
        """True when a node says that the token's issuer has blocked the address: a transfer would revert."""
        data = BLOCKED_SELECTOR + _padded(address)
        return any(self._ask(lambda node: _call(node, token, data, "latest")))

    def gas_balance(self, address: str) -> int:
        """Wei of the chain's own coin; of several nodes the lowest."""
        from eth_utils.address import to_checksum_address

        owner = to_checksum_address(address)
        return min(self._ask(lambda node: int(node.eth.get_balance(owner))))

    def used_nonces(self, address: str) -> int:
        """How many transactions of the address are in the chain; of several nodes the highest."""
        from eth_utils.address import to_checksum_address

        sender = to_checksum_address(address)
        return max(self._ask(lambda node: int(node.eth.get_transaction_count(sender, "latest"))))

    def fees(self) -> Fees:
        """What a transaction pays now; of several nodes the higher."""
        bases = self._ask(lambda node: int(node.eth.get_block("pending")["baseFeePerGas"]))
        tips = self._ask(lambda node: int(node.eth.max_priority_fee))
        return Fees(max(bases), max(tips))

    def heads(self) -> Heads:
        """Of several nodes the lowest: a lagging node delays, it never deceives."""
        latest = self._ask(lambda node: int(node.eth.block_number))
        finalized = self._ask(lambda node: int(node.eth.get_block("finalized")["number"]))
        return Heads(min(latest), min(finalized))

    def send(self, raw: bytes) -> Sent:
        """Offer a signed transaction to every node. Never raises: no answer is an answer too."""
        answers = [_send(node, raw) for node in self._nodes]
        order = list(SendOutcome)
        return min(answers, key=lambda answer: order.index(answer.outcome))

    def receipt(self, transaction_hash: str) -> Receipt | None:
        """The receipt that every node has; None while one has none. Raises NodesDisagree."""
        found = self._ask(lambda node: _receipt(node, transaction_hash))
        if None in found:
            return None
        if len(set(found)) > 1:
            raise NodesDisagree(f"{transaction_hash} is in different blocks")
        return found[0]

    def moved(self, transaction_hash: str, token: str, sender: str, recipient: str, amount_micro: int) -> bool:
        """True when a transaction's logs have that very transfer. Raises NodesDisagree.

        A token that answers false instead of reverting, and an address without code, succeed and move nothing.
        """
        topics = [TRANSFER_TOPIC, _padded(sender), _padded(recipient)]
        wanted = (token[2:].lower(), topics, f"{amount_micro:064x}")
        found = set(self._ask(lambda node: wanted in _logs(node, transaction_hash)))
        if len(found) > 1:
            raise NodesDisagree(f"{transaction_hash} has different logs")
        return found == {True}

    def contains(self, block_number: int, block_hash: str) -> bool:
        """True when every node has that block at that height."""
        return set(self._ask(lambda node: _block_hash(node, block_number))) == {block_hash}

    def _ask(self, question: Callable[["Web3"], T]) -> list[T]:
        """Every node's answer. Whatever goes wrong on the way means that nothing is known: ChainUnreachable."""
        from requests import RequestException
        from web3.exceptions import Web3Exception

        try:
            return [question(node) for node in self._nodes]
        except (RequestException, Web3Exception, OSError, ValueError, KeyError, TypeError) as error:
            raise ChainUnreachable(f"{type(error).__name__}: {error}"[:500]) from error


@cache
def connect() -> Chain:
    """The configured nodes."""
    from web3 import HTTPProvider, Web3

    urls = read(ChainConfig).rpc_urls.split(",")
    timeout = {"timeout": RPC_SECONDS_MAX}
    return Chain([Web3(HTTPProvider(url, request_kwargs=timeout, exception_retry_configuration=None)) for url in urls])


def _padded(address: str) -> str:
    return address[2:].lower().rjust(64, "0")


def _call(node: "Web3", to: str, data: str, block: str) -> int:
    from eth_typing import HexStr
    from eth_utils.address import to_checksum_address

    answer = node.eth.call({"to": to_checksum_address(to), "data": HexStr(data)}, block)  # type: ignore[arg-type]
    return int.from_bytes(answer, "big")


def _block_hash(node: "Web3", block_number: int) -> str | None:
    from web3.exceptions import BlockNotFound

    try:
        return "0x" + bytes(node.eth.get_block(block_number)["hash"]).hex()
    except BlockNotFound:
        return None


def _receipt(node: "Web3", transaction_hash: str) -> Receipt | None:
    from eth_typing import HexStr
    from web3.exceptions import TransactionNotFound

    try:
        found = node.eth.get_transaction_receipt(HexStr(transaction_hash))
    except TransactionNotFound:
        return None
    return Receipt(
        hash=transaction_hash,
        block_number=int(found["blockNumber"]),
        block_hash="0x" + bytes(found["blockHash"]).hex(),
        succeeded=found["status"] == 1,
    )


def _logs(node: "Web3", transaction_hash: str) -> list[tuple[str, list[str], str]]:
    """Contract, topics and data of each, in hexadecimal digits."""
    from eth_typing import HexStr

    found = node.eth.get_transaction_receipt(HexStr(transaction_hash))["logs"]
    return [
        (log["address"][2:].lower(), [bytes(topic).hex() for topic in log["topics"]], bytes(log["data"]).hex())
        for log in found
    ]


def _send(node: "Web3", raw: bytes) -> Sent:
    from eth_typing import HexStr
    from requests import RequestException
    from web3.exceptions import Web3Exception
    from web3.types import RPCEndpoint

    try:
        answer: object = node.provider.make_request(RPCEndpoint("eth_sendRawTransaction"), [HexStr("0x" + raw.hex())])
    except (RequestException, Web3Exception, OSError, ValueError) as error:
        return Sent(SendOutcome.UNKNOWN, f"{type(error).__name__}: {error}"[:500])
    told = answer if isinstance(answer, dict) else {}  # a gateway may answer any JSON, null too
    if told.get("result"):
        return Sent(SendOutcome.ACCEPTED, "")
    message = str(told.get("error", answer))[:500]
    return Sent(_meaning(message.lower()), message)


def _meaning(message: str) -> SendOutcome:
    """Nodes differ in their words; what is not recognised is unknown, never failed."""
    words = {
        "already known": SendOutcome.ALREADY_KNOWN,
        "already imported": SendOutcome.ALREADY_KNOWN,
        "nonce too low": SendOutcome.NONCE_TOO_LOW,
        "underpriced": SendOutcome.UNDERPRICED,
        "tip cap": SendOutcome.UNDERPRICED,
        "max fee per gas less than block base fee": SendOutcome.UNDERPRICED,
        "insufficient funds": SendOutcome.OUT_OF_GAS_MONEY,
    }
    return next((outcome for phrase, outcome in words.items() if phrase in message), SendOutcome.UNKNOWN)


def _typed(fields: dict[str, Any]) -> Any:
    from eth_account.typed_transactions.typed_transaction import TypedTransaction

    return TypedTransaction.from_dict(fields)
