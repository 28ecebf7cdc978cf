"""The embedded Firestore's memory: one tree, its recent past, its transactions and its watchers.

Everything here runs on the server's only event loop. Code between two awaits is atomic, so no locks are needed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from emulators.firestore.messages import NANOSECONDS_PER_MICROSECOND, Code, Message, Refused, invalid
from emulators.firestore.query import Query
from emulators.firestore.transactions import LOCK_WAIT_SECONDS_MAX, Transaction, Transactions
from emulators.firestore.tree import Record, Tree
from emulators.firestore.writes import Staged, stage

HISTORY_MAX = 10_000  # document versions kept for reads in the past


class Watcher(Protocol):
    """An object that is told, on the event loop, which documents a commit changed; it must not wait."""

    def changed(self, names: Iterable[str]) -> None: ...


class View:
    """The documents that one request sees; it also notes what a transaction has read."""

    def __init__(self, tree: Tree, read_time: int, transaction: Transaction | None = None) -> None:
        self.tree = tree
        self.time = read_time
        self._transaction = transaction

    def get(self, name: str) -> Record | None:
        if self._transaction is not None:
            self._transaction.names.add(name)
        return self.tree.get(name)

    def run(self, query: Query) -> list[Record]:
        if self._transaction is not None:
            self._transaction.queries.append(query)
        return query.run(self.tree)


class Store:
    def __init__(self) -> None:
        self.tree = Tree()
        self.transactions = Transactions()
        self._watchers: set[Watcher] = set()
        self._history: deque[tuple[int, str, Record | None]] = deque()  # commit time, name, version before it
        self._forgotten = 0  # the commit time of the newest version that left the history
        self._now = 0

    def now(self) -> int:
        """Microseconds since 1970, later at each call."""
        self._now = max(self._now + 1, time.time_ns() // NANOSECONDS_PER_MICROSECOND)
        return self._now

    @property
    def watchers(self) -> int:
        return len(self._watchers)

    def watch(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    def begin(self, options: Message) -> tuple[View, bytes]:
        """Open a transaction by its TransactionOptions; returns its first view and its token."""
        transaction = self.transactions.begin(options, self.now())
        return self._view_of(transaction), transaction.token

    async def view(self, token: bytes, names: Sequence[str] = ()) -> View:
        """The view of a transaction; `names` are the documents that it is about to read."""
        transaction = self.transactions.get(token)
        await self.transactions.take_turn(transaction, names)
        return self._view_of(transaction)

    def _view_of(self, transaction: Transaction) -> View:
        if transaction.read_time is not None:
            return self.view_at(transaction.read_time)
        if transaction.doomed_at is not None:
            return self.view_at(transaction.doomed_at)
        return View(self.tree, self.now(), transaction)

    def view_now(self) -> View:
        return View(self.tree, self.now())

    def view_at(self, read_time: int) -> View:
        """The documents as they were at a time; refuses the future and what is no longer known."""
        if read_time > self.now():
            raise invalid("The requested 'read_time' cannot be in the future.")
        if read_time < self._forgotten:
            raise Refused(Code.FAILED_PRECONDITION, "The requested 'read_time' is too old.")
        past = self.tree.copy()
        for changed, name, before in reversed(self._history):
            if changed <= read_time:
                break
            past.put(name, before)
        return View(past, read_time)

    async def commit(self, writes: Sequence[Message], token: bytes = b"") -> Staged:
        """Apply all writes or none, and end the transaction. Waits for older transactions' locks."""
        if not token:
            return await self._commit(writes, None)
        transaction = self.transactions.get(token)
        if writes and transaction.read_time is not None:
            raise invalid("Cannot modify entities in a read-only transaction.")
        try:
            return await self._commit(writes, transaction)
        finally:
            self.transactions.close(token)

    async def _commit(self, writes: Sequence[Message], transaction: Transaction | None) -> Staged:
        deadline = asyncio.get_running_loop().time() + LOCK_WAIT_SECONDS_MAX
        while True:
            if transaction is not None and transaction.doomed_at is not None:
                raise Refused(Code.ABORTED, "The transaction lost what it had read to an older one. Please try again.")
            before = self.now()
            staged = stage(writes, self.tree, self.now())
            in_the_way = self.transactions.blocking(transaction, staged.changes(), before)
            if not in_the_way:
                self._install(staged)
                return staged
            if not await self.transactions.wait_for_locks(in_the_way, transaction, deadline):
                raise Refused(Code.ABORTED, "Transaction lock timeout.")

    def _install(self, staged: Staged) -> None:
        changes = staged.changes()
        for name, (before, after) in changes.items():
            self.tree.put(name, after)
            self._history.append((staged.time, name, before))
        while len(self._history) > HISTORY_MAX:
            self._forgotten = self._history.popleft()[0]
        for watcher in self._watchers if changes else ():
            watcher.changed(changes)
