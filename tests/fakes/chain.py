"""A simulated Polygon behind the port's methods: a pool, blocks, the USDT's balances, and faults on request.

Like a full node it has the accounts of its newest blocks only, and one answer covers a limited number of blocks.

It knows the two kinds of transaction that treasuries send. Unlike a node it mines only when told to (`mine`), and what
a reorganisation removes is gone until it is sent again (as with anvil; Bor would put it back into the pool).
"""

import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from shared import clock
from shared.ports.polygon.chain import (
    DEEP_BLOCKS,
    STATES_KEPT,
    BlockTimes,
    Chain,
    Found,
    Heads,
    Moved,
    NonceUse,
    Observation,
    Receipt,
    SendOutcome,
    Sent,
)
from shared.ports.polygon.failures import ChainUnreachable, StateGone, TooMuch, WrongChain
from shared.values.gas import Fees

CHAIN_ID = 137
BASE_FEE_WEI = 30 * 10**9
GAS_WEI = 10**20
FINALIZED_BEHIND = 2
BLOCKS_PER_ANSWER_MAX = 10_000

Answer = TypeVar("Answer")

_hashes = itertools.count(1)


def _now() -> datetime:
    return clock.now()  # also of a clock that a test has put there


@dataclass(frozen=True)
class SignedTransfer:
    """A signed transfer as the pool holds it."""

    hash: str
    chain_id: int
    sender: str
    nonce: int
    token: str
    recipient: str
    amount_micro: int
    fee_wei: int
    tip_wei: int
    gas_limit: int

    @property
    def is_noop(self) -> bool:
        return self.token == self.sender


@dataclass(frozen=True)
class Included:
    """A transfer in a block, and whether it moved anything."""

    transfer: SignedTransfer
    succeeded: bool


@dataclass
class Block:
    """A block of the only chain."""

    number: int
    hash: str = field(default_factory=lambda: f"0x{next(_hashes):064x}")
    made_at: datetime = field(default_factory=_now)
    included: list[Included] = field(default_factory=list)


@dataclass(frozen=True)
class LostAnswer:
    """A lost answer to a sending: before the node has taken the transaction, or after (`taken`)."""

    taken: bool


class FakeChain(Chain):
    """A chain on which all nodes agree. `finalized` stands still while it is set, else it follows the head."""

    def __init__(self, token: str, chain_id: int = CHAIN_ID) -> None:
        super().__init__([])
        self.token = token.lower()
        self.chain_id = chain_id
        self.minted: defaultdict[str, int] = defaultdict(int)
        self.gas: defaultdict[str, int] = defaultdict(lambda: GAS_WEI)
        self.blocked_addresses: set[str] = set()
        self.token_paused = False
        self.reverts_all = False  # for a reason that no call of the token reveals
        self.token_keeps_micro = 0  # of each transfer, which succeeds all the same
        self.pool: dict[tuple[str, int], SignedTransfer] = {}
        self.blocks = [Block(0)]
        self.finalized: int | None = None
        self.lag_seconds = 0  # of the finalized block behind the head
        self.base_fee_wei = BASE_FEE_WEI  # a transaction that offers less is not mined
        self.blocks_per_answer_max = BLOCKS_PER_ANSWER_MAX
        self.questions: list[str] = []  # the searches that were asked for
        self.disputed: set[str] = set()  # hashes about which the nodes disagree
        self.unreachable: set[str] = set()  # names of methods that do not answer
        self.hidden: set[str] = set()  # hashes of mined transactions whose receipt no node gives
        self.losses: deque[LostAnswer] = deque()  # of the next sendings
        self.sent: list[str] = []  # the hash of every sending that was tried

    # Actions of tests:

    def mint(self, address: str, micro: int) -> None:
        self.minted[address.lower()] += micro

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks; the first one takes what the pool can pay, in order of nonce."""
        for _ in range(blocks):
            block = Block(len(self.blocks))
            self.blocks.append(block)
            for key in sorted(self.pool):
                if key[1] == self._used(key[0]) and self.pool[key].fee_wei >= self.base_fee_wei:
                    block.included.append(self._run(self.pool.pop(key)))

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks by empty ones."""
        del self.blocks[-depth:]
        for _ in range(depth):
            self.blocks.append(Block(len(self.blocks)))

    def forget_pending(self) -> None:
        """Drop all pending transactions, as a full pool does."""
        self.pool.clear()

    def transfers(self) -> list[SignedTransfer]:
        """Everything that moved USDT, in order."""
        return [
            found.transfer
            for block in self.blocks
            for found in block.included
            if found.succeeded and not found.transfer.is_noop
        ]

    def balance(self, address: str, block_number: int) -> int:
        """Micro-USDT of an address after a block."""
        moved = 0
        for block in self.blocks[: block_number + 1]:
            for found in block.included:
                if found.succeeded:
                    moved += found.transfer.amount_micro * (found.transfer.recipient == address.lower())
                    moved -= found.transfer.amount_micro * (found.transfer.sender == address.lower())
        return self.minted[address.lower()] + moved

    # The port's methods:

    def require(self, chain_id: int) -> None:
        if self._answer("require", lambda: self.chain_id) != chain_id:
            raise WrongChain(f"this is {self.chain_id}")

    def token_balance(self, token: str, address: str) -> int:
        head, final = len(self.blocks) - 1, self._finalized()
        deep = max(0, head - DEEP_BLOCKS)
        at = [final] if self._has_accounts_of(final) else [deep, head]
        known = token.lower() == self.token
        return self._answer("token_balance", lambda: known * min(self.balance(address, block) for block in at))

    def blocked_of(self, token: str, addresses: Sequence[str]) -> frozenset[str]:
        known = token.lower() == self.token
        return frozenset(address for address in addresses if known and address.lower() in self.blocked_addresses)

    def blocked(self, token: str, addresses: Sequence[str]) -> frozenset[str]:
        return self._answer("blocked", lambda: self.blocked_of(token, addresses))

    def halted(self, token: str, sender: str) -> str:
        def why() -> str:
            if self.blocked_of(token, [sender]):
                return f"the token's issuer has blocked the treasury's key {sender}"
            return "the token is paused by its issuer" if self.token_paused else ""

        return self._answer("halted", why)

    def gas_balance(self, address: str) -> int:
        return self._answer("gas_balance", lambda: self.gas[address.lower()])

    def used_nonces(self, address: str) -> int:
        """How many transactions of the address the chain has, which is also the next one's nonce."""
        return self._answer("used_nonces", lambda: self._used(address.lower()))

    def final_nonces(self, address: str) -> int:
        return self._answer("final_nonces", lambda: self._used_at(address, self._finalized()))

    def used_nonces_at(self, address: str, block_number: int) -> int:
        return self._answer("used_nonces_at", lambda: self._used_at(address, block_number))

    def _used_at(self, address: str, block_number: int) -> int:
        if not self._has_accounts_of(block_number):
            raise StateGone(f"missing trie node: state of block {block_number} is not available")
        return self._used(address.lower(), block_number)

    def _has_accounts_of(self, block_number: int) -> bool:
        return block_number > len(self.blocks) - 1 - STATES_KEPT

    def anyone_has(self, transaction_hash: str) -> bool:
        """True also for a hidden transaction: one node has it, but not all."""
        return self._answer("anyone_has", lambda: self._receipt(transaction_hash) is not None)

    def fees(self) -> Fees:
        return self._answer("fees", lambda: Fees(self.base_fee_wei, 30 * 10**9))

    def heads(self) -> Heads:
        return self._answer("heads", lambda: Heads(len(self.blocks) - 1, self._finalized(), self.lag_seconds))

    def block_times(self) -> BlockTimes:
        newest, final = self.blocks[-1], self.blocks[self._finalized()]
        return self._answer("block_times", lambda: BlockTimes(newest.made_at, final.made_at))

    def observe(self, hashes: Sequence[str]) -> Observation:
        def seen() -> Observation:
            receipts = {it: found for it in hashes if (found := self._receipt(it)) and it not in self.hidden}
            agreed = {it: found for it, found in receipts.items() if it not in self.disputed}
            return Observation(self.heads(), agreed, frozenset(self.disputed & set(hashes)))

        return self._answer("observe", seen)

    def sent_by_logs(self, token: str, sender: str, first: int, last: int) -> set[NonceUse]:
        def uses() -> set[NonceUse]:
            return {
                NonceUse(it.transfer.nonce, it.transfer.hash, block.number)
                for block in self._few(first, last)
                for it in block.included
                for moved in self._moved(it)
                if (moved.token, moved.sender) == (token.lower(), sender.lower())
            }

        self.questions.append("sent_by_logs")
        return self._answer("sent_by_logs", uses)

    def sent_in(self, sender: str, first: int, last: int) -> set[NonceUse]:
        def uses() -> set[NonceUse]:
            return {
                NonceUse(it.transfer.nonce, it.transfer.hash, block.number)
                for block in self._few(first, last)
                for it in block.included
                if it.transfer.sender == sender.lower()
            }

        self.questions.append("sent_in")
        return self._answer("sent_in", uses)

    def transaction_of(self, sender: str, nonce: int, block_number: int) -> Found | None:
        def found() -> Found | None:
            sent = [it.transfer for it in self.blocks[block_number].included]
            mine = [
                it for it in sent if (it.sender, it.nonce) == (sender.lower(), nonce) and it.hash not in self.hidden
            ]
            return self._found(mine[0], sender) if mine else None

        return self._answer("transaction_of", found)

    def _few(self, first: int, last: int) -> list[Block]:
        if last - first + 1 > self.blocks_per_answer_max:
            raise TooMuch("query exceeds the number of blocks that one answer may be about")
        return self.blocks[first : last + 1]

    def send(self, raws: Sequence[bytes]) -> list[Sent]:
        return [self._offer(raw) for raw in raws]

    def _offer(self, raw: bytes) -> Sent:
        transfer = read(raw)
        self.sent.append(transfer.hash)
        loss = self.losses.popleft() if self.losses else None
        if "send" in self.unreachable or (loss and not loss.taken):
            return Sent(SendOutcome.UNKNOWN, "the node could not be reached")
        outcome = self._take(transfer)
        return Sent(SendOutcome.UNKNOWN, "no answer in time") if loss else Sent(outcome, "")

    def _found(self, transfer: SignedTransfer, address: str) -> Found:
        receipt = self._receipt(transfer.hash)
        assert receipt
        fees = transfer.gas_limit, transfer.fee_wei, transfer.tip_wei
        return Found(transfer.hash, address, transfer.nonce, transfer.token, *fees, receipt)

    def _moved(self, it: Included) -> tuple[Moved, ...]:
        sent = it.transfer
        if not it.succeeded or sent.is_noop:
            return ()
        return (Moved(sent.token, sent.sender, sent.recipient, sent.amount_micro - self.token_keeps_micro),)

    def _answer(self, method: str, answer: Callable[[], Answer]) -> Answer:
        if method in self.unreachable:
            raise ChainUnreachable(f"{method} was not answered")
        return answer()

    def _used(self, sender: str, block_number: int | None = None) -> int:
        blocks = self.blocks if block_number is None else self.blocks[: block_number + 1]
        return sum(found.transfer.sender == sender for block in blocks for found in block.included)

    def _finalized(self) -> int:
        return max(0, len(self.blocks) - 1 - FINALIZED_BEHIND) if self.finalized is None else self.finalized

    def _receipt(self, transaction_hash: str) -> Receipt | None:
        for block in self.blocks:
            for found in block.included:
                if found.transfer.hash == transaction_hash:
                    moved = self._moved(found)
                    return Receipt(transaction_hash, block.number, block.hash, found.succeeded, moved)
        return None

    def _take(self, transfer: SignedTransfer) -> SendOutcome:
        key = (transfer.sender, transfer.nonce)
        pending = self.pool.get(key)
        if transfer.nonce < self._used(transfer.sender):
            return SendOutcome.NONCE_TOO_LOW
        if pending == transfer:
            return SendOutcome.ALREADY_KNOWN
        raised = pending and (
            transfer.fee_wei * 10 >= pending.fee_wei * 11 and transfer.tip_wei * 10 >= pending.tip_wei * 11
        )
        if pending and not raised:
            return SendOutcome.UNDERPRICED
        self.pool[key] = transfer
        return SendOutcome.ACCEPTED

    def _run(self, transfer: SignedTransfer) -> Included:
        if transfer.is_noop:
            return Included(transfer, succeeded=True)
        enough = self.balance(transfer.sender, len(self.blocks) - 1) >= transfer.amount_micro
        refused = transfer.token != self.token or self.blocked_addresses & {transfer.sender, transfer.recipient}
        return Included(transfer, enough and not (refused or self.token_paused or self.reverts_all))


def read(raw: bytes) -> SignedTransfer:
    """A raw transaction, parsed. Raises ValueError for one that no treasury would sign."""
    from eth_account import Account
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from eth_utils.crypto import keccak
    from hexbytes import HexBytes

    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    data = bytes(fields["data"])
    if data and data[:4].hex() != "a9059cbb":
        raise ValueError("neither a transfer of the token nor a no-op")
    sender: str = Account.recover_transaction(raw).lower()
    return SignedTransfer(
        hash="0x" + keccak(raw).hex(),
        chain_id=int(fields["chainId"]),
        sender=sender,
        nonce=int(fields["nonce"]),
        token="0x" + bytes(fields["to"]).hex(),
        recipient="0x" + data[16:36].hex() if data else sender,
        amount_micro=int.from_bytes(data[36:68], "big"),
        fee_wei=int(fields["maxFeePerGas"]),
        tip_wei=int(fields["maxPriorityFeePerGas"]),
        gas_limit=int(fields["gas"]),
    )
