"""Plays one schedule: deliveries, sweeps and resting workers in an order that the seed decides, until all is quiet."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Self
from uuid import UUID

from pg8000.exceptions import DatabaseError, InterfaceError

from shared import clock, config, db, events, log, settings
from shared.database.session import CommitUnknown, ConstraintViolated
from shared.job import ComeAgain, Delivery, Hopeless, Job
from shared.payouts import machine, signing, terms
from shared.ports import kms, pubsub, tasks
from shared.ports.polygon import chain as chain_port
from shared.ports.polygon.chain import Chain
from shared.ports.polygon.failures import ChainUnreachable, WrongChain
from tests.fault.simulation import invariants, people
from tests.fault.simulation.database import Database, Pool
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.queues import Message, Queues, poisoned
from tests.fault.simulation.scheduler import Killed, Worker
from tests.fault.simulation.violated import Violated
from tests.fault.simulation.world import World

SWEEP_SECONDS = 60.0
SWEEPS = (("payout_confirm", "sweep"), ("payout_recover", "go-on"), ("outbox_relay", "sweep"))
JOBS = ("payout_send", "payout_confirm", "payout_recover", "outbox_relay")
STEPS_MAX = 6_000
LIFE_SECONDS_MAX = 4 * 86_400.0
IDLE_SWEEPS = 12  # after so many sweeps in a row without anything else, sweeps become rarer
IDLE_SWEEP_SECONDS = 1_200.0
LEASE_SECONDS = 30.0
CLICKS_WITHIN_SECONDS = 3.0
WORKERS_DURING_SLEEP_MAX = 8
PASSING = (ComeAgain, Hopeless, ChainUnreachable, WrongChain, kms.KmsFailure, CommitUnknown, ConstraintViolated,
           DatabaseError, InterfaceError, OSError)  # fmt: skip
# The rules that a worker may violate: it was overtaken or paused, signed again what was settled meanwhile, its key was
# used elsewhere, or its recipient was suspended while the signature was made.
REFUSALS = frozenset({"R6_epoch", "I6_open_slot", "R7_paused", "R2_slot", "R8_rebuild", "suspended"})
UUIDS_IN = (
    "shared.payouts.machine",
    "shared.payouts.slots",
    "shared.messages.notifications",
    "shared.messages.mails",
    "shared.comps.awards",
)


class Serial:
    """Replaces threads inside a worker: runs one after the other, so that the seed decides their order too."""

    def __init__(self, workers: int) -> None:
        del workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def map(self, work: Callable[..., object], things: list[object]) -> Iterator[object]:
        return map(work, things)


@dataclass
class Result:
    """How a schedule ended. `violation` is empty when every rule held."""

    family: str
    seed: int
    payouts: int
    violation: str
    digest: str
    lines: list[str]
    states: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    transactions: int = 0


@dataclass
class Schedule:
    """A schedule being played."""

    world: World
    queues: Queues
    jobs: dict[str, Job]
    relay_at: float = float("inf")
    sweep_at: float = SWEEP_SECONDS
    steps: int = 0
    idle: int = 0
    healed_at: float = float("inf")
    running: list[tuple[Worker, Message]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    def play(self) -> None:
        """Play until all is quiet. Raises Violated."""
        world = self.world
        for begin in world.plan.begin:
            begin(world)
        world.ask_again, world.person = self.ask_again, self.person
        for wanted in world.wanted:
            due = world.seconds + world.chance.random() * world.plan.asked_within
            self.queues.put(Message(wanted.source, "ask", "ask", wanted.source.encode(), due))
        for _ in range(world.plan.poison):
            self.queues.put(poisoned(world))
        world.plan.heal_at += world.seconds
        world.plan.events.sort(key=lambda event: event[0])
        world.plan.events = [(world.seconds + moment, what, happen) for moment, what, happen in world.plan.events]
        self.sweep_at += world.seconds
        while True:
            self.steps += 1
            if self.steps > STEPS_MAX:
                raise Violated(f"it does not come to rest: {self.describe()}")
            if not self.step() and self.is_over():
                return

    def step(self) -> bool:
        """Do one thing that is possible now; False when only the next sweep is left to wait for."""
        world = self.world
        if world.seconds >= world.plan.heal_at and not world.healed:
            self.heal()
        can = self.possible()
        if can:
            can[world.chance.randrange(len(can))]()
            return True
        upcoming = [worker.wake_at for worker in world.scheduler.resting]
        upcoming += [message.due for message in self.queues.waiting] if self.free() else []
        upcoming += [self.relay_at] if self.free() else []
        upcoming += [max(moment, world.chain_events_at) for moment, _, _ in world.plan.events[:1]]
        quiet = not [moment for moment in upcoming if moment < self.sweep_at + SWEEP_SECONDS]
        world.pass_time(max(0.001, min([*upcoming, self.sweep_at]) - world.seconds))
        return not quiet

    def possible(self) -> list[Callable[[], None]]:
        world, now = self.world, self.world.seconds
        can: list[Callable[[], None]] = []
        can += [partial(self.resume, worker) for worker in world.scheduler.resting if worker.wake_at <= now]
        if self.free():
            can += [partial(self.deliver, message) for message in self.queues.waiting if message.due <= now]
            if self.relay_at <= now:
                can.append(self.relay)
        if self.sweep_at <= now:
            can.append(self.sweep)
        return can

    def free(self) -> bool:
        """True if another worker may start. One that sleeps longer than a lease is given up by its caller."""
        sleeping = sum(worker.wake_at > self.world.seconds + LEASE_SECONDS for worker in self.world.scheduler.resting)
        return len(self.running) < min(self.world.plan.workers + sleeping, WORKERS_DURING_SLEEP_MAX)

    # Actions:

    def deliver(self, message: Message) -> None:
        self.queues.waiting.remove(message)
        if message.kind not in ("sweep", "go-on", "relay"):
            self.idle = 0
        worker = self.worker()
        self.world.note(worker.name, f"{message.function} {message.kind} {message.body.decode(errors='replace')[:60]}")
        self.running.append((worker, message))
        self.world.scheduler.start(worker, lambda: self.work(message))
        self.after(worker)

    def relay(self) -> None:
        self.relay_at = float("inf")
        self.deliver_now(Message("relay", "outbox_relay", "relay", b"", self.world.seconds))

    def sweep(self) -> None:
        self.idle += 1
        self.sweep_at = self.world.seconds + (SWEEP_SECONDS if self.idle < IDLE_SWEEPS else IDLE_SWEEP_SECONDS)
        if self.world.healed:
            people.work(self.world)
        for function, name in SWEEPS:
            self.queues.waiting.append(Message("", function, name, b"", self.world.seconds))

    def deliver_now(self, message: Message) -> None:
        self.queues.waiting.append(message)
        self.deliver(message)

    def resume(self, worker: Worker) -> None:
        self.world.scheduler.resume(worker)
        self.after(worker)

    def worker(self) -> Worker:
        skew = self.world.plan.skew_seconds
        given = self.world.chance.uniform(-skew, skew) if skew else 0.0
        return Worker(f"worker{next(self.numbers)}", skew_seconds=given)

    def work(self, message: Message) -> None:
        """Do one delivery, in the worker's thread, without the HTTP around it."""
        if message.function == "ask":
            self.ask(message.body.decode())
            return
        if message.function == "person":
            people.act(self.world, message.kind, *message.body.decode().split(" by "))
            return
        if message.kind == "relay":
            import_module("functions.outbox_relay.main").publish_waiting(clock.now())
            return
        delivery = Delivery(message.name, message.kind, message.body, message.attempt)
        self.jobs[message.function.replace("-", "_")]._call(delivery)

    def ask_again(self) -> None:
        """Request again the payouts that the database has lost."""
        lost = [it.source for it in self.world.wanted if it.source not in self.world.payouts()]
        for source in lost:
            due = self.world.seconds + self.world.chance.random() * 300.0
            self.queues.put(Message(source, "ask", "ask", source.encode(), due))

    def person(self, what: str, source: str, who: str) -> None:
        """Send a person's request: it may die, and is made again; they may click twice."""
        message = Message("", "person", what, f"{source} by {who}".encode(), self.world.seconds)
        self.queues.put(message)
        if self.world.draw(self.world.plan.twice, f"{who} clicks twice"):
            self.queues.put(replace(message, due=message.due + self.world.chance.random() * CLICKS_WITHIN_SECONDS))

    def ask(self, source: str) -> None:
        """Request a payout as the awarding code does: again until it succeeds."""
        wanted = next(it for it in self.world.wanted if it.source == source)
        if wanted.promise.source_kind == "comp":
            people.link(self.world, wanted.promise)
            return
        try:
            db.atomically(lambda tx: machine.request(tx, wanted.promise, clock.now()))
            if self.world.draw(self.world.plan.other_keys, f"{source} is asked for under another key"):
                twin = replace(wanted.promise, idempotency_key=f"{source}-again")
                db.atomically(lambda tx: machine.request(tx, twin, clock.now()))
        except terms.BadTerms as refusal:
            self.world.note("asker", f"is refused: {type(refusal).__name__}")
            self.world.refused.add(source)

    def after(self, worker: Worker) -> None:
        """Handle a worker that rests (it may be given up then) or has ended in some way."""
        message = next((message for busy, message in self.running if busy is worker), None)
        if message is None:
            return
        if not worker.finished:
            if worker.wake_at > self.world.seconds + LEASE_SECONDS and message.kind != "relay":
                self.world.note(worker.name, "is not waited for any more")
                self.running = [(busy, it) for busy, it in self.running if busy is not worker]
                self.queues.again(message)
            return
        self.running = [(busy, it) for busy, it in self.running if busy is not worker]
        failure, plan = worker.failure, self.world.plan
        for single in failures_in(failure):
            judge(single)
        if worker.wrote and not isinstance(failure, Killed):
            self.relay_at = min(self.relay_at, self.world.seconds + 0.02)
        said = "done" if failure is None else f"{type(failure).__name__}: {failure}"[:160]
        self.world.note(worker.name, said)
        unacknowledged = failure is not None and not isinstance(failure, Hopeless)
        lost = unacknowledged or self.world.draw(plan.unacknowledged, f"{worker.name}'s answer is lost")
        if lost and message.kind not in ("relay", "sweep", "go-on"):
            self.queues.again(message)

    # The end:

    def heal(self) -> None:
        """End the faults: nodes agree, finality goes on, operators undo what they did."""
        world = self.world
        world.note("world", "is a good one from here on")
        world.healed = True
        self.healed_at = world.seconds
        world.plan.heal()
        world.plan.events.clear()
        network = world.network
        network.mining = network.finality = True
        network.include = network.gossip = 1.0
        network.base_fee = type(network)(world.chance, network.token).base_fee
        for node in world.nodes:
            node.view = type(node.view)()
        for key in world.keys.by_name.values():
            key.disabled = False
        for worker in list(world.scheduler.resting):
            worker.wake_at = min(worker.wake_at, world.seconds + 1.0)
        for repair in world.plan.repairs:
            repair(world)

    def is_over(self) -> bool:
        """True when no worker is busy, nothing is due, and every payout is final or waits for people."""
        world = self.world
        late = world.seconds - min(self.healed_at, world.plan.heal_at) > world.plan.patience_seconds
        if late or world.seconds > LIFE_SECONDS_MAX:
            raise Violated(f"it does not come to rest: {self.describe()}")
        if self.running or world.scheduler.resting or world.plan.events:
            return False
        unfinished = invariants.unfinished(world)
        if unfinished:
            return False
        if not world.healed:
            self.heal()
            return False
        if world.plan.replayed:
            world.plan.replayed = False
            world.note("world", "everything is delivered once more, days later")
            world.pass_time(60.0)
            self.queues.waiting += self.queues.everything
            return False
        return not [message for message in self.queues.waiting if message.due < world.seconds + SWEEP_SECONDS]

    def describe(self) -> str:
        return ", ".join(
            f"{source} {state} {reason or ''}".strip()
            for source, (_, state, reason) in sorted(self.world.payouts().items())
        )

    def finalize(self) -> None:
        """End the workers that still rest."""
        for worker in list(self.world.scheduler.resting):
            worker.dead = True
            self.world.scheduler.resume(worker)


def play(family: str, seed: int, plan: Callable[[random.Random], Plan], database: Database) -> Result:
    """Play one schedule from its seed."""
    chance = random.Random(f"{family} {seed}")  # noqa: S311 - repeatable on purpose
    made = plan(chance)
    world = World(seed, made, database, chance)
    queues = Queues(world)
    violation = ""
    schedule = Schedule(world, queues, jobs())
    with _instead(world, queues):
        world.create_treasuries()
        try:
            schedule.play()
            invariants.check(world)
        except Violated as broken:
            violation = str(broken)
            world.note("VIOLATION", violation)
        except Exception as broken:  # noqa: BLE001 - whatever it is, the seed that finds it is worth having
            violation = f"unexpected {type(broken).__name__}: {broken}"
            world.note("VIOLATION", violation)
        finally:
            schedule.finalize()
    states: dict[str, int] = {}
    for _, state, reason in world.payouts().values():
        name = f"{state} {reason}" if reason else state
        states[name] = states.get(name, 0) + 1
    return Result(
        family, seed, len(world.wanted), violation, world.trace.digest(), world.trace.lines, states, world.kills,
        len(world.broadcast),
    )  # fmt: skip


def failures_in(failure: BaseException | None) -> list[BaseException]:
    """The single failures in an exception; for a job over many rows, those of each row."""
    if isinstance(failure, BaseExceptionGroup):
        return [single for part in failure.exceptions for single in failures_in(part)]
    return [] if failure is None else [failure]


def judge(failure: BaseException) -> None:
    """Raises Violated for a failure with which a worker must not end."""
    if isinstance(failure, Violated):
        raise failure
    if not isinstance(failure, (*PASSING, Killed)):
        raise Violated(f"unexpected {type(failure).__name__}: {failure}") from failure
    if isinstance(failure, ConstraintViolated) and failure.constraint not in REFUSALS:
        raise Violated(f"the schema had to stop it: {failure}") from failure


def jobs() -> dict[str, Job]:
    """The functions of the payout machine."""
    return {name: import_module(f"functions.{name}.main").job for name in JOBS}


@contextmanager
def _instead(world: World, queues: Queues) -> Iterator[None]:
    """Replace the ports, the clock and chance by the world's while it is played."""

    def seeded() -> UUID:
        return UUID(int=world.chance.getrandbits(128), version=4)

    def remember() -> None:
        if world.scheduler.current:
            world.scheduler.current.wrote = True

    def tell(event: str, **fields: object) -> None:
        if event == "payout is final" and fields["state"] == "PAID":
            world.sees_final(str(fields["hash"]))
        if "rule" in fields and fields["rule"] not in REFUSALS:
            world.stopped.append(f"the schema had to stop it: {fields['rule']}, {fields.get('reason', '')}")
        who = world.scheduler.current.name if world.scheduler.current else "world"
        world.note(who, f"log: {event} " + " ".join(f"{name}={value}" for name, value in fields.items()))

    pool, nodes = Pool(world.database, world), Chain(world.nodes)
    relay = import_module("functions.outbox_relay.main")
    replaced: list[tuple[object, str, object]] = [
        (clock, "now", world.now),
        (db, "_pool", lambda: pool),
        (chain_port, "connect", lambda: nodes),
        (kms, "_client", lambda: world.keys),
        (tasks, "enqueue", queues.enqueue),
        (pubsub, "publish", queues.publish),
        (events._waker, "remember", remember),
        (relay, "ThreadPoolExecutor", Serial),
        (signing, "ThreadPoolExecutor", Serial),
        (log, "info", tell),
        (log, "warning", tell),
        (log, "error", tell),
        *((import_module(name), "uuid4", seeded) for name in UUIDS_IN if hasattr(import_module(name), "uuid4")),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, value in replaced:
        setattr(owner, name, value)
    settings.forget()
    os.environ["PAYOUTS_PER_TASK"] = str(world.plan.per_task)
    config.read.cache_clear()
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
