"""Scans per second at the function's own port, through the gateway, and their floors, taking turns within one run."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from emulators import contract
from emulators.bench import calls, door, load, processes
from emulators.bench.floor import Floor
from emulators.bench.load import Plan
from emulators.bench.world import World

RATE_MAX = 1500  # scans per second for which requests are prepared; a faster function is stopped earlier
WARM_SCANS = 150
PRIZE_EVERY = 500  # scans; the first prize makes a function load its Pub/Sub client
WARM_SECONDS_MAX = 10
OWN_DOOR, GATEWAY, HELLO, FLOOR = "own door", "gateway", "hello world", "pgbench"
TARGETS = (OWN_DOOR, GATEWAY, HELLO, FLOOR)


@dataclass(frozen=True)
class Run:
    """One target under a number of clients for some seconds. CPU is in seconds for the whole run."""

    target: str
    clients: int
    seconds: float
    milliseconds: list[float]
    function_cpu: float
    database_cpu: float
    load_cpu: float


class WrongAnswers(Exception):
    """Raised when answers are not scans: the figures of refusals would be worthless."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: `rounds` runs of `seconds` for each target and number of clients."""

    clients: Sequence[int]
    seconds: int
    rounds: int

    @property
    def scans_max(self) -> int:
        """How many scans are prepared in all."""
        runs = self.rounds * len(self.clients)
        return runs * (2 * self.seconds * RATE_MAX + 1) + 2 * WARM_SCANS


def measure(world: World, effort: Effort, tell: Callable[[str], None], first_number: int = 0) -> list[Run]:
    """Measure all targets round by round, so that a slow minute of the machine affects all of them.

    The scans take numbers after `first_number`.
    """
    floor = Floor(world, effort.seconds * effort.rounds * len(effort.clients))
    with ExitStack() as stop:
        bench = _Bench(world, floor, stop)
        bench.warm_up(first_number)
        found: list[Run] = []
        for turn in range(effort.rounds):
            tell(f"scans, round {turn + 1} of {effort.rounds}")
            found += [bench.run(target, count, effort.seconds) for count in effort.clients for target in TARGETS]
        return found


class _Bench:
    """The four targets, started."""

    def __init__(self, world: World, floor: Floor, stop: ExitStack) -> None:
        self._world = world
        self._floor = floor
        served = (door.target(contract.functions()["scans"]), door.HELLO)
        self._scans, self._hello = (stop.enter_context(door.opened(world.stack, target)) for target in served)
        for opened in (self._scans, self._hello):
            opened.wait()
        self._headers = calls.gateway_headers(world.stack, "scans")
        self._database = processes.child_running("postgres -D")
        self._gateway = processes.child_running("emulators.serve")

    def warm_up(self, first_number: int) -> None:
        """Warm up connections, prepared statements and key sets, and let each process award its first prize."""
        for turn, target in enumerate((OWN_DOOR, GATEWAY), start=1):
            self._world.count_from(first_number + turn * PRIZE_EVERY - WARM_SCANS // 2)
            self._load(target, 16, WARM_SECONDS_MAX, WARM_SCANS)

    def run(self, target: str, clients: int, seconds: int) -> Run:
        """Measure one run; the CPU of the load maker and of the server's processes is read before and after."""
        if target == FLOOR:
            made = self._floor.run(clients, seconds, self._database)
            return Run(target, clients, seconds, made.milliseconds, 0.0, made.database_cpu_seconds, made.cpu_seconds)
        return self._load(target, clients, seconds, seconds * RATE_MAX)

    def _load(self, target: str, clients: int, seconds: int, requests: int) -> Run:
        server, port = {
            OWN_DOOR: (self._scans.child.process.pid, self._scans.port),
            GATEWAY: (self._gateway, self._world.stack.gateway_port),
            HELLO: (self._hello.child.process.pid, self._hello.port),
        }[target]
        again = target == HELLO
        headers = None if target == GATEWAY else self._headers
        prepared = [
            calls.scan(token, code, headers).text for token, code in self._world.scans(1 if again else requests)
        ]
        before, database_before = processes.cpu_seconds(server), processes.cpu_seconds(self._database)
        made = load.run(Plan(port, clients, seconds, prepared, again=again))
        if set(made.statuses) != {"200" if again else "201"}:
            raise WrongAnswers(f"{target} answered {made.statuses}; see {self._scans.child.log.parent}")
        return Run(
            target=target,
            clients=clients,
            seconds=made.seconds,
            milliseconds=made.milliseconds,
            function_cpu=processes.cpu_seconds(server) - before,
            database_cpu=processes.cpu_seconds(self._database) - database_before,
            load_cpu=made.cpu_seconds,
        )
