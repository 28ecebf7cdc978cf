"""The local Polygon: an anvil node, the test USDT on it, and the controls that fault tests turn.

How anvil 1.7.1 behaves, checked by `tests/contract/test_emulator_chain.py`, and where Polygon differs:

- `finalized` is head - 2 blocks and `safe` head - 1 (`--slots-in-an-epoch 1`). It never stalls, and a reorganisation
  deeper than two blocks rewrites blocks that were "finalized"; Polygon's milestones do stall and are final.
- No minimum tip: 1 wei is accepted. Bor refuses less than 25 gwei.
- A replacement is taken when its fee cap is higher by 1 wei, whatever its tip; otherwise "replacement transaction
  underpriced". Bor, as all of geth's family, wants +10 % on both fees.
- A fee cap below the base fee of the next block is refused ("max fee per gas less than block base fee"), and a pending
  transaction that falls below it is dropped when a block is mined. Bor keeps both in its pool for later.
- A nonce beyond the next one is queued; a used one is "nonce too low", also for the raw bytes that were mined; the same
  raw bytes while pending are "transaction already imported" (geth's family says "already known").
- A transaction removed by a reorganisation does not return to the pool: it has to be sent again.
- If it mines by itself every two seconds or faster (`--block-time`, `evm_setIntervalMining`), it keeps 1,500 states
  whatever `--prune-history` says: hundreds of megabytes. Here a thread of ours requests each block instead.
- Like a full node it has no accounts of blocks older than 128 (`--prune-history`): it answers "BlockOutOfRangeError",
  where geth's family says "missing trie node". It keeps blocks, receipts and logs. It answers a batch, a range of logs
  and a block of any size; Bor takes 100 calls, and gateways less of everything.
- It remembers every block's hash in each of those 128 states, some 20 KiB a block in all, for as long as it runs. The
  history contract of Prague (EIP-2935) would double that: it runs Cancun's rules, and nothing here needs newer ones.
- The sender's nonce and balance are those of the node alone: there is no second node to disagree with.
"""

import http.client
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from emulators.bootstrap import LOCAL, anvil
from emulators.deliveries import Pump
from emulators.process import Child, free_port, wait_until

CHAIN_ID = 137
TRANSFER_GAS = 120_000
ARTIFACT = Path(__file__).resolve().parent / "artifacts" / "TestUsdt.json"
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
HARDFORK = "cancun"
STATES_KEPT = 128  # the newest blocks whose accounts it has; geth's and Bor's cache.triesinmemory
RPC_SECONDS_MAX = 30.0
READY_SECONDS_MAX = 30.0
RECEIPT_SECONDS_MAX = 10.0
EXECUTION_REVERTED = 3  # the code that geth gives a reverted call
DEVELOPMENT_ACCOUNTS = 2  # the first one owns the test USDT


class RpcError(Exception):
    """The node's refusal of a call: its JSON-RPC `code` and `message`."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Transfer:
    """One movement of the test USDT, as its log describes it."""

    transaction_hash: str
    block_number: int
    log_index: int
    sender: str
    recipient: str
    amount_micro: int


@dataclass
class ChainNode:
    """One anvil process. With `block_time_seconds` it mines blocks by itself, else only when `mine` is called."""

    block_time_seconds: float | None = 2.0
    log: Path = LOCAL / "log" / "chain.log"
    port: int = 0
    chain_id: int = CHAIN_ID
    usdt: str = ""
    _child: Child | None = field(default=None, repr=False)
    _history: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)
    _miner: Pump | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.port = free_port(self.port)
        # Old states go there; otherwise they would go to the home folder.
        self._history = tempfile.TemporaryDirectory(prefix="chain-")
        command = [
            *(str(anvil()), "--quiet", "--host", "127.0.0.1", "--port", str(self.port), "--no-cors"),
            *("--chain-id", str(self.chain_id), "--slots-in-an-epoch", "1", "--accounts", str(DEVELOPMENT_ACCOUNTS)),
            *("--hardfork", HARDFORK, "--no-mining"),
            *("--cache-path", self._history.name, "--prune-history", str(STATES_KEPT)),
        ]
        self._child = Child.start("chain", command, self.log)
        try:
            self._child.wait_until_ready(lambda: int(self.rpc("eth_chainId"), 16) == self.chain_id, READY_SECONDS_MAX)
        except BaseException:
            self.stop()
            raise
        self.mine_every(self.block_time_seconds)

    def stop(self) -> None:
        self.mine_every(None)
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._history is not None:
            self._history.cleanup()
            self._history = None

    def rpc(self, method: str, params: Sequence[object] = ()) -> Any:
        """The `result` of one JSON-RPC call (any JSON value). Raises RpcError when the node refuses."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RPC_SECONDS_MAX)
        try:
            connection.request("POST", "/", body, {"content-type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            raise RpcError(method, answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    # The test USDT:

    def deploy_usdt(self) -> str:
        """Deploy the test USDT from the first development account; later calls of this class use this contract.

        The address is the same after every fresh start, because it follows from that account and its nonce 0.
        """
        self.usdt = self.deploy(_artifact()["bytecode"])
        return self.usdt

    def deploy(self, bytecode: str) -> str:
        """Deploy a contract from the first development account, which owns it; returns its address."""
        return _checksummed(self._send({"data": bytecode})["contractAddress"])

    def owner_sends(self, contract: str, data: str) -> None:
        """Have a contract's owner call it."""
        self._send({"to": contract, "data": data})

    def mint(self, to: str, micro: int) -> None:
        self._owner_calls("mint(address,uint256)", _word(to), _word(micro))

    def block(self, address: str) -> None:
        self._owner_calls("addToBlockedList(address)", _word(address))

    def unblock(self, address: str) -> None:
        self._owner_calls("removeFromBlockedList(address)", _word(address))

    def destroy_blocked_funds(self, address: str) -> None:
        self._owner_calls("destroyBlockedFunds(address)", _word(address))

    def pause(self) -> None:
        self._owner_calls("pause()")

    def unpause(self) -> None:
        self._owner_calls("unpause()")

    def balance_of(self, address: str, block: str = "latest") -> int:
        """Micro-USDT at a block tag or hexadecimal number."""
        call = {"to": self.usdt, "data": _call_data("balanceOf(address)", _word(address))}
        return int(self.rpc("eth_call", [call, block]), 16)

    def send_usdt(self, wallet: LocalAccount, to: str, micro: int) -> str:
        """Send USDT from a wallet with its own key; returns the hash. The wallet needs gas."""
        transaction: dict[str, Any] = {
            "to": self.usdt,
            "data": _call_data("transfer(address,uint256)", _word(to), _word(micro)),
            "nonce": int(self.rpc("eth_getTransactionCount", [wallet.address, "pending"]), 16),
            "gas": TRANSFER_GAS,
            "gasPrice": 2 * int(self.rpc("eth_gasPrice"), 16),
            "chainId": self.chain_id,
        }
        signed = wallet.sign_transaction(transaction)
        return str(self.rpc("eth_sendRawTransaction", [signed.raw_transaction.to_0x_hex()]))

    def transfers(self, from_block: int = 0) -> list[Transfer]:
        """Every Transfer log up to the head, mints (from the zero address) included, in chain order."""
        wanted = {"address": self.usdt, "fromBlock": hex(from_block), "toBlock": "latest", "topics": [TRANSFER_TOPIC]}
        return [_transfer(log) for log in self.rpc("eth_getLogs", [wanted])]

    # Accounts and blocks:

    def fund_gas(self, address: str, wei: int) -> None:
        """Set (not add to) the native balance."""
        self.rpc("anvil_setBalance", [address, hex(wei)])

    def head(self, tag: str = "latest") -> int:
        """The number of the block that `latest`, `safe` or `finalized` stands for."""
        return int(self.rpc("eth_getBlockByNumber", [tag, False])["number"], 16)

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", [hex(blocks)])

    def reorg(self, depth: int, including: Sequence[tuple[str, int]] = ()) -> None:
        """Replace the last `depth` blocks by as many new ones.

        `including` puts raw transactions (hexadecimal) back, each at an offset counted from the first new block.
        """
        self.rpc("anvil_reorg", [depth, [list(pair) for pair in including]])

    def drop_transaction(self, transaction_hash: str) -> None:
        """Remove a pending transaction, as an evicting mempool does."""
        self.rpc("anvil_dropTransaction", [transaction_hash])

    def set_next_base_fee(self, wei: int) -> None:
        self.rpc("anvil_setNextBlockBaseFeePerGas", [hex(wei)])

    def mine_every(self, seconds: float | None) -> None:
        """Mine a block now and then one each `seconds`, besides those of `mine`; None stops this."""
        if self._miner is not None:
            self._miner.stop()
            self._miner = None
        if seconds is not None:
            self._miner = Pump("miner", partial(self._mine_next, seconds))
            self._miner.start()
            self._miner.wake()

    def mine_each_transaction(self, *, enabled: bool) -> None:
        """Mine a block for each transaction as it arrives, besides those of `mine_every`."""
        self.rpc("evm_setAutomine", [enabled])

    def snapshot(self) -> str:
        snapshot_id: str = self.rpc("evm_snapshot", [])
        return snapshot_id

    def revert(self, snapshot_id: str) -> None:
        """Go back to a snapshot, which can be used only once."""
        if not self.rpc("evm_revert", [snapshot_id]):
            raise ValueError(f"no snapshot {snapshot_id}")

    def _mine_next(self, seconds: float) -> float:
        """Mine a block; a node that is away or stopping is no error here."""
        with suppress(OSError, http.client.HTTPException, ValueError):
            self.mine()
        return seconds

    def _owner_calls(self, signature: str, *words: str) -> None:
        self.owner_sends(self.usdt, _call_data(signature, *words))

    def _send(self, transaction: dict[str, str]) -> dict[str, Any]:
        """Send from the owner and mine one block at once, in every mining mode; it takes other pending transactions
        too.
        """
        owner = self.rpc("eth_accounts", [])[0]
        transaction_hash = self.rpc("eth_sendTransaction", [{"from": owner, **transaction}])
        self.mine()
        wait_until(lambda: self._receipt(transaction_hash) is not None, "a receipt", RECEIPT_SECONDS_MAX)
        receipt = self._receipt(transaction_hash)
        if receipt is None or receipt["status"] != "0x1":
            raise RpcError("eth_sendTransaction", EXECUTION_REVERTED, f"{transaction_hash} reverted")
        return receipt

    def _receipt(self, transaction_hash: str) -> dict[str, Any] | None:
        receipt: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", [transaction_hash])
        return receipt


def _artifact() -> dict[str, Any]:
    artifact: dict[str, Any] = json.loads(ARTIFACT.read_text())
    return artifact


def _call_data(signature: str, *words: str) -> str:
    selector: str = _artifact()["methodIdentifiers"][signature]
    return f"0x{selector}{''.join(words)}"


def _word(value: str | int) -> str:
    """A number or an address as 32 bytes of hexadecimal, as contract calls and logs carry it."""
    number = value if isinstance(value, int) else int(value, 16)
    return f"{number:064x}"


def _checksummed(address: str) -> str:
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))


def _transfer(log: dict[str, Any]) -> Transfer:
    _, sender, recipient = log["topics"]
    return Transfer(
        transaction_hash=log["transactionHash"],
        block_number=int(log["blockNumber"], 16),
        log_index=int(log["logIndex"], 16),
        sender=_checksummed(f"0x{sender[-40:]}"),
        recipient=_checksummed(f"0x{recipient[-40:]}"),
        amount_micro=int(log["data"], 16),
    )
