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
from tests.fakes.doors import Doors, listeners

ROUNDS_MAX = 40
ROUND_SECONDS = 31  # of the test clock: longer than a worker's lease
BLOCKS_PER_ROUND = 4


@dataclass(frozen=True)
class Letter:
    """A row of the outbox."""

    id: int
    kind: str
    destination: str
    function: str | None
    body: dict[str, Any]


@dataclass
class Courier:
    """The courier. `sql` is a superuser's connection, `clock_file` holds the offset of the test clock."""

    doors: Doors
    sql: Connection
    chain: ChainNode
    clock_file: Path
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(20261129))  # noqa: S311 - repeatable on purpose

    def waiting(self) -> list[Letter]:
        """Everything that is not delivered yet, due or not."""
        return self._letters("WHERE published_at IS NULL")

    def everything(self) -> list[Letter]:
        """Every row that was ever written."""
        return self._letters("")

    def _letters(self, condition: str) -> list[Letter]:
        columns = "id, kind, destination, function, body"
        rows = self.sql.execute_simple(f"SELECT {columns} FROM outbox {condition} ORDER BY id").rows
        return [Letter(*row) for row in rows]

    def waiting_for(self, function: str) -> Letter:
        """The first waiting task of a function."""
        return next(letter for letter in self.waiting() if letter.function == function)

    def bring(self, letter: Letter) -> bool:
        """Deliver a letter to all its receivers; True when all of them have acknowledged it."""
        if letter.kind == "task":
            assert letter.function
            answers = [self.doors.task(letter.function, letter.destination, letter.body, name=f"outbox-{letter.id}")]
        else:
            identity = f"message-{letter.id}"
            answers = [
                self.doors.event(function, letter.destination, letter.body, identity)
                for function in listeners(letter.destination)
            ]
        self.answers.update(f"{letter.destination} {answer}" for answer in answers)
        return set(answers) <= {204}

    def carry(self, copies: int = 1, threads: int = 1) -> int:
        """Deliver each letter `copies` times, in random order if more than once; returns how many letters there were.

        One acknowledgement is enough for a letter, as it is for Cloud Tasks.
        """
        letters = self.waiting()
        deliveries = letters * copies
        if copies > 1:
            self.chance.shuffle(deliveries)
        with ThreadPoolExecutor(threads) as pool:
            taken = list(pool.map(self.bring, deliveries))
        done = {str(letter.id) for letter, acknowledged in zip(deliveries, taken, strict=True) if acknowledged}
        if done:
            self.sql.execute_simple(f"UPDATE outbox SET published_at = now() WHERE id IN ({', '.join(done)})")
        return len(letters)

    def pass_time(self, seconds: float = ROUND_SECONDS) -> None:
        """Move the test clock on."""
        self.seconds += seconds
        self.clock_file.write_text(str(self.seconds))

    def until(self, done: Callable[[], bool], copies: int = 1, threads: int = 1) -> None:
        """Deliver, mine, move the clock and sweep, round after round, until `done` and nothing waits."""
        for _ in range(ROUNDS_MAX):
            carried = self.carry(copies, threads)
            self.doors.schedule("payout_confirm", "sweep")
            if done() and not carried:
                return
            self.chain.mine(BLOCKS_PER_ROUND)
            self.pass_time()
        raise AssertionError(f"not done after {ROUNDS_MAX} rounds: {self.answers}, waiting {self.waiting()}")
