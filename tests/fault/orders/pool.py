"""Processes that play schedules, each with a database and vendors of its own."""

import os
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context

from emulators.postgres import Postgres
from emulators.vendors import Vendors
from tests.fault.orders import world
from tests.fault.orders.schedule import Played, play
from tests.fault.simulation import run
from tests.fault.simulation.database import Database

CHUNK = 4

_opened = ExitStack()
_stages: list[tuple[Database, Vendors]] = []


def played(seeds: Sequence[int], steps: int, processes: int) -> Iterator[Played]:
    """Play the schedule of each seed, of so many steps, in so many processes."""
    with run.server() as (postgres, settings):
        context = get_context("spawn")
        with context.Pool(min(processes, len(seeds)), _open, (postgres.access, settings)) as pool:
            yield from pool.imap_unordered(partial(_play, steps), seeds, CHUNK)


def _open(access: object, settings: Mapping[str, str]) -> None:
    """Open a database and the vendors' stand-ins, once in each process."""
    postgres = Postgres(_access=access)  # type: ignore[arg-type]  # what another process of ours has opened
    database = _opened.enter_context(run.joined(postgres, settings, f"orders_{os.getpid()}"))
    _stages.append((database, _opened.enter_context(world.opened(database))))


def _play(steps: int, seed: int) -> Played:
    """Play the schedule; an exception that nobody expects is a broken rule, too."""
    try:
        return play(seed, *_stages[0], steps)
    except Exception:  # noqa: BLE001 - it is named with its schedule
        return Played(seed, 0, 0, Counter(), told=Counter(), done=Counter(), broken=[traceback.format_exc()])
