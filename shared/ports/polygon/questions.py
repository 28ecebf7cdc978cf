"""Questions to a node as JSON-RPC has them: of the token's contract, of blocks, fees and logs."""

from collections.abc import Sequence

from shared.ports.polygon.rpc import Call

# The functions of the token's contract: the first four bytes of the data of a call.
BALANCE_SELECTOR = "0x70a08231"  # balanceOf(address)
BLOCKED_SELECTOR = "0xfbac3951"  # isBlocked(address)
PAUSED_SELECTOR = "0x5c975abb"  # paused()
TRANSFER_TOPIC = (
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)
)
# Bor writes a log for the fee of each transaction, whatever else it did: LogFeeTransfer(token, sender, recipient, …) of
# the coin's own contract. Bor calls this log deprecated. It makes a search faster, but no search depends on it.
COIN = "0x0000000000000000000000000000000000001010"
FEE_TOPIC = "0x4dfe1bbbcf077ddc3e01291eea2d5c70c2b422b415d95645b9adcfd678cb1d63"

CHAIN_ID: Call = ("eth_chainId", [])
HEAD_NUMBER: Call = ("eth_blockNumber", [])
TIP: Call = ("eth_maxPriorityFeePerGas", [])
GAS_PRICE: Call = ("eth_gasPrice", [])


def padded(address: str) -> str:
    """An address as 32 bytes in hexadecimal, as calls carry it."""
    return address[2:].lower().rjust(64, "0")


def topic(address: str) -> str:
    """An address as logs carry it."""
    return "0x" + padded(address)


def at(block: int | str) -> str:
    """A block's number or tag as a parameter."""
    return hex(block) if isinstance(block, int) else block


def of_token(token: str, data: str, block: int | str = "latest") -> Call:
    """The answer of a function of the token's contract."""
    return ("eth_call", [{"to": token, "data": data}, at(block)])


def balance_of(token: str, address: str, block: int | str = "latest") -> Call:
    """The balance of an address, in the token's smallest units."""
    return of_token(token, BALANCE_SELECTOR + padded(address), block)


def is_blocked(token: str, address: str) -> Call:
    """Whether the token's issuer has blocked an address."""
    return of_token(token, BLOCKED_SELECTOR + padded(address))


def is_paused(token: str) -> Call:
    """Whether the token's issuer has paused it."""
    return of_token(token, PAUSED_SELECTOR)


def gas_of(address: str, block: int | str = "latest") -> Call:
    """Wei of the chain's own coin that an address has."""
    return ("eth_getBalance", [address, at(block)])


def nonces_of(address: str, block: int | str = "latest") -> Call:
    """How many transactions an address has sent."""
    return ("eth_getTransactionCount", [address, at(block)])


def the_block(block: int | str, *, whole: bool = False) -> Call:
    """A block, with its transactions or only their hashes."""
    return ("eth_getBlockByNumber", [at(block), whole])


def transaction_at(block: int, place: int) -> Call:
    """The transaction at a place of a block, counted from 0."""
    return ("eth_getTransactionByBlockNumberAndIndex", [hex(block), hex(place)])


def receipts_in(block: int) -> Call:
    """The receipts of all transactions of a block."""
    return ("eth_getBlockReceipts", [hex(block)])


def receipt_of(transaction_hash: str) -> Call:
    """The receipt of a transaction."""
    return ("eth_getTransactionReceipt", [transaction_hash])


def transaction_of(transaction_hash: str) -> Call:
    """A transaction, whether it is in a block or not."""
    return ("eth_getTransactionByHash", [transaction_hash])


def logs(address: str, topics: Sequence[str | None], first: int, last: int) -> Call:
    """The logs of a contract in some blocks, both ends included; None stands for any topic."""
    wanted = {"address": address.lower(), "topics": list(topics), "fromBlock": hex(first), "toBlock": hex(last)}
    return ("eth_getLogs", [wanted])
