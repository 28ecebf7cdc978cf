"""Delivers what waits in the outbox to the functions, as often and in whatever order it is told.

It replaces relay, topics and queues: what a function does not acknowledge is delivered again.
"""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pg8000.dbapi import Connection

from emulators.chain.node import ChainNode
from tests.fakes.invoker import FunctionInvoker, subscribers

ROUNDS_MAX = 40
ROUND_SECONDS = 31  # of the test clock: longer than a worker's lease
BLOCKS_PER_ROUND = 4


@dataclass(frozen=True)
class OutboxRow:
    """A row of the outbox."""

    id: int
    kind: str
    destination: str
    function: str | None
    body: dict[str, Any]


@dataclass
class OutboxDeliverer:
    """Delivers rows of the outbox. `sql` is a superuser's connection, `clock_file` holds the test clock's offset."""

    invoker: FunctionInvoker
    sql: Connection
    chain: ChainNode
    clock_file: Path
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(20261129))  # noqa: S311 - repeatable on purpose

    def waiting(self) -> list[OutboxRow]:
        """Everything that is not delivered yet, due or not."""
        return self._rows("WHERE published_at IS NULL")

    def all_rows(self) -> list[OutboxRow]:
        """Every row that was ever written."""
        return self._rows("")

    def _rows(self, condition: str) -> list[OutboxRow]:
        columns = "id, kind, destination, function, body"
        rows = self.sql.execute_simple(f"SELECT {columns} FROM outbox {condition} ORDER BY id").rows
        return [OutboxRow(*row) for row in rows]

    def waiting_for(self, function: str) -> OutboxRow:
        """The first waiting task of a function."""
        return next(row for row in self.waiting() if row.function == function)

    def deliver(self, row: OutboxRow) -> bool:
        """Deliver a row to all its receivers; True when all of them have acknowledged it."""
        if row.kind == "task":
            assert row.function
            answers = [self.invoker.task(row.function, row.destination, row.body, name=f"outbox-{row.id}")]
        else:
            identity = f"message-{row.id}"
            answers = [
                self.invoker.event(function, row.destination, row.body, identity)
                for function in subscribers(row.destination)
            ]
        self.answers.update(f"{row.destination} {answer}" for answer in answers)
        return set(answers) <= {204}

    def deliver_all(self, copies: int = 1, threads: int = 1) -> int:
        """Deliver each waiting row `copies` times, in random order if more than once; returns how many rows there were.

        One acknowledgement is enough for a row, as it is for Cloud Tasks.
        """
        rows = self.waiting()
        deliveries = rows * copies
        if copies > 1:
            self.chance.shuffle(deliveries)
        with ThreadPoolExecutor(threads) as pool:
            taken = list(pool.map(self.deliver, deliveries))
        done = {str(row.id) for row, acknowledged in zip(deliveries, taken, strict=True) if acknowledged}
        if done:
            self.sql.execute_simple(f"UPDATE outbox SET published_at = now() WHERE id IN ({', '.join(done)})")
        return len(rows)

    def pass_time(self, seconds: float = ROUND_SECONDS) -> None:
        """Move the test clock on."""
        self.seconds += seconds
        self.clock_file.write_text(str(self.seconds))

    def deliver_until(self, done: Callable[[], bool], copies: int = 1, threads: int = 1) -> None:
        """Deliver, mine, move the clock and sweep, round after round, until `done` and nothing waits."""
        for _ in range(ROUNDS_MAX):
            delivered = self.deliver_all(copies, threads)
            self.invoker.schedule("payout_confirm", "sweep")
            if done() and not delivered:
                return
            self.chain.mine(BLOCKS_PER_ROUND)
            self.pass_time()
        raise AssertionError(f"not done after {ROUNDS_MAX} rounds: {self.answers}, waiting {self.waiting()}")
