"""Transactions and the read locks that keep them serializable.

A read in a read-write transaction locks what it saw: documents by name, queries by what would match them. A commit that
touches something locked either waits for the older transaction or dooms the younger one, whose own commit is then
ABORTED ("wound-wait"). There is no deadlock, and because a retry keeps its age, every transaction succeeds in the end.
A read waits a moment for older transactions at the same documents: before they end, it would most likely be useless. A
doomed transaction continues to read the state that it saw, so that the caller's code never meets a mixture. Times and
limits: https://firebase.google.com/docs/firestore/transaction-data-contention
"""

import asyncio
import struct
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from emulators.firestore.messages import Code, ConcurrencyMode, Message, Refused, invalid, microseconds
from emulators.firestore.query import Query
from emulators.firestore.tree import Record

LOCK_WAIT_SECONDS_MAX = 2.0
TURN_SECONDS_MAX = 0.25
IDLE_SECONDS_MAX = 60.0
LIFE_SECONDS_MAX = 270.0
OPEN_MAX = 1000
AGE_OF_PLAIN_COMMITS = 2**63  # younger than any transaction: plain commits wait

_TOKEN = struct.Struct(">QQ")  # number and age; both are in the token, so nothing is kept of closed transactions

Changes = Mapping[str, tuple[Record | None, Record | None]]


@dataclass(eq=False)
class Transaction:
    number: int
    age: int  # the number of the first attempt: lower is older
    read_time: int | None  # of a read-only transaction
    is_optimistic: bool
    began: float
    used: float
    names: set[str] = field(default_factory=set)
    queries: list[Query] = field(default_factory=list)
    doomed_at: int | None = None  # the last moment at which everything it had read was true

    @property
    def token(self) -> bytes:
        return _TOKEN.pack(self.number, self.age)

    def locks(self, changes: Changes) -> bool:
        """True when it has read what these changes would change."""
        if not self.names.isdisjoint(changes):
            return True
        return any(
            query.place(before) is not None or query.place(after) is not None
            for query in self.queries
            for before, after in changes.values()
        )


class Transactions:
    """All open transactions of the server; used by its event loop only."""

    def __init__(self) -> None:
        self._open: dict[int, Transaction] = {}
        self._number = 0
        self._waiting: list[asyncio.Future[None]] = []

    def begin(self, options: Message, now: int) -> Transaction:
        """Open a transaction by its TransactionOptions; a read-only one without a time of its own reads at `now`."""
        self._drop_expired()
        if len(self._open) >= OPEN_MAX:
            raise Refused(Code.RESOURCE_EXHAUSTED, f"More than {OPEN_MAX} transactions are open.")
        retried = options.read_write.retry_transaction
        self._number += 1
        age = self._read_token(retried)[1] if retried else self._number
        opened = Transaction(
            number=self._number,
            age=age,
            read_time=_read_time(options.read_only, now) if options.HasField("read_only") else None,
            is_optimistic=options.read_write.concurrency_mode == ConcurrencyMode.OPTIMISTIC,
            began=time.monotonic(),
            used=time.monotonic(),
        )
        self._open[opened.number] = opened
        return opened

    def get(self, token: bytes) -> Transaction:
        """The open transaction of a token; refuses the token of a closed one."""
        self._drop_expired()
        number, _ = self._read_token(token)
        if number not in self._open:
            raise invalid("Transaction is invalid or closed.")
        found = self._open[number]
        found.used = time.monotonic()
        return found

    def close(self, token: bytes) -> None:
        """End a transaction that is still open, and let those that wait for its locks try again."""
        number, _ = self._read_token(token)
        if self._open.pop(number, None) is not None:
            self._wake()

    def blocking(self, committing: Transaction | None, changes: Changes, before: int) -> list[Transaction]:
        """Doom the younger transactions that have read what the commit changes; return the older ones to wait for.

        While there is an older one, none is doomed yet: the commit may still fail.
        """
        self._drop_expired()
        age = committing.age if committing is not None else AGE_OF_PLAIN_COMMITS
        holders = [held for held in self._lockers() if held is not committing and held.locks(changes)]
        older = [held for held in holders if held.age < age and not held.is_optimistic]
        for held in holders if not older else ():
            held.doomed_at = before
            self._wake()
        return older

    async def wait_for_locks(self, held: Sequence[Transaction], waiter: Transaction | None, deadline: float) -> bool:
        """True once none of `held` has locks or the waiter itself is doomed; False at the loop's time `deadline`."""

        def is_over() -> bool:
            is_doomed = waiter is not None and waiter.doomed_at is not None
            return is_doomed or not set(held).intersection(self._lockers())

        return await self._wait_until(is_over, deadline)

    async def take_turn(self, reader: Transaction, names: Collection[str]) -> None:
        """Wait for older transactions at these documents, TURN_SECONDS_MAX at most."""

        def is_my_turn() -> bool:
            return not any(held.age < reader.age and not held.names.isdisjoint(names) for held in self._lockers())

        if reader in self._lockers() and not reader.is_optimistic:
            await self._wait_until(is_my_turn, asyncio.get_running_loop().time() + TURN_SECONDS_MAX)

    async def _wait_until(self, ready: Callable[[], bool], deadline: float) -> bool:
        """Call `ready` whenever a transaction ends or is doomed, until it is true; False at the deadline."""
        while not ready():
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiting
            except TimeoutError:
                return False
            finally:
                self._waiting.remove(waiting)
        return True

    def _lockers(self) -> list[Transaction]:
        return [held for held in self._open.values() if held.doomed_at is None and held.read_time is None]

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _drop_expired(self) -> None:
        now = time.monotonic()
        expired = [
            held.token
            for held in self._open.values()
            if now - held.used > IDLE_SECONDS_MAX or now - held.began > LIFE_SECONDS_MAX
        ]
        for token in expired:
            self.close(token)

    def _read_token(self, token: bytes) -> tuple[int, int]:
        if len(token) != _TOKEN.size:
            raise invalid("Invalid transaction.")
        number, age = _TOKEN.unpack(token)
        if not 0 < age <= number <= self._number:
            raise invalid("Invalid transaction.")
        return number, age


def _read_time(read_only: Message, now: int) -> int:
    return microseconds(read_only.read_time) if read_only.HasField("read_time") else now
