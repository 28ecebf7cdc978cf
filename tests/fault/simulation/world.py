"""One schedule: a seed makes a small world, faults happen to it, then they end, and it must come to rest.

Everything that waits for the outside (a transaction's begin and commit, a node, KMS, a queue) calls `yield_point`,
where a worker may be stopped, put to sleep beyond its lease, or killed. Time passes only there and when all wait.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared import db
from shared.members import suspensions
from shared.payouts import machine, recovery
from shared.payouts.machine import Promise
from shared.values.money import Usdt
from tests.fault.simulation.chain import CHAIN_ID, Block, Network, Token
from tests.fault.simulation.database import Database
from tests.fault.simulation.keys import Key, Keys
from tests.fault.simulation.node import Node
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.scheduler import Killed, Worker, WorkerScheduler
from tests.fault.simulation.trace import Trace
from tests.fault.simulation.transactions import Signed
from tests.fault.simulation.violated import Violated

TREASURIES = ("member", "affiliate", "wholesale", "shop")
TOKEN = "0x" + "c2132d05" * 5
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
USDT_EACH = 100_000 * 10**6
WEI_EACH = 100 * 10**18
REST_SECONDS = 1.5
CHAIN_EVENTS_SECONDS = 1.0  # between two looks at what happens to the world
CHAIN_AGE_SECONDS = 300.0  # the age of the chain when a schedule begins
ASKED_WITHIN_SECONDS = 5.0  # a task's first and last question, without faults
SLEEP_SECONDS = 75.0
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


@dataclass(frozen=True)
class Wanted:
    """A payout as it is requested; no two have the same recipient."""

    source: str
    promise: Promise


@dataclass
class World:
    """The world. `seed` decides everything. `seconds` is its time, since `START`."""

    seed: int
    plan: Plan
    database: Database
    chance: random.Random
    trace: Trace = field(default_factory=Trace)
    scheduler: WorkerScheduler = field(default_factory=WorkerScheduler)
    seconds: float = 0.0
    healed: bool = False
    wanted: list[Wanted] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # sources whose terms are refused
    treasury_keys: dict[str, Key] = field(default_factory=dict)
    broadcast: dict[str, Signed] = field(default_factory=dict)
    mined: list[tuple[Signed, Block]] = field(default_factory=list)
    frozen: dict[str, set[str]] = field(default_factory=dict)  # by paused treasury: what was signed before
    barred: dict[UUID, set[str]] = field(default_factory=dict)  # by suspended member: what was signed for them before
    restored: bool = False
    backups: list[dict[str, str]] = field(default_factory=list)
    ask_again: Callable[[], None] = lambda: None
    person: Callable[[str, str, str], None] = lambda *_: None  # what is done, about which source, by whom
    stolen_to: set[str] = field(default_factory=set)  # recipients that a stolen key has paid
    stolen: set[str] = field(default_factory=set)  # transactions of a stolen key by which no payout may be paid
    impossible: set[str] = field(default_factory=set)  # sources whose terms must be refused
    kept_held: set[str] = field(default_factory=set)  # sources that people never release
    stopped: list[str] = field(default_factory=list)  # rules that were broken on the way
    halted_since: float | None = None  # since when the token refuses our keys' transfers, and says so
    kills: int = 0
    _moving: bool = False

    def __post_init__(self) -> None:
        self.network = Network(self.chance, Token(TOKEN))
        self.network.on_include = self._included
        self.nodes = [Node("node1", self), Node("node2", self)]
        self.keys = Keys(self)
        self.epoch = START.timestamp()

    # Time and chance:

    def now(self) -> datetime:
        """The time on a clock; a worker's own may be wrong."""
        worker = self.scheduler.current
        return START + timedelta(seconds=self.seconds + (worker.skew_seconds if worker else 0.0))

    def note(self, who: str, what: str) -> None:
        self.trace.note(self.seconds, who, what)

    def draw(self, probability: float, what: str) -> bool:
        """True if the event happens; it is noted then."""
        if probability <= 0.0 or self.chance.random() >= probability:
            return False
        self.note("fault", what)
        return True

    def pass_time(self, seconds: float) -> None:
        """Let time pass: blocks come, and events of the chain happen."""
        self.seconds += seconds
        if self._moving:
            return
        self._moving = True
        with self.scheduler.nobody():
            self.network.tick(self.seconds)
            if self.seconds >= self.chain_events_at:
                self.chain_events_at = self.seconds + CHAIN_EVENTS_SECONDS
                self._play_chain_events()
        self._moving = False

    chain_events_at: float = CHAIN_EVENTS_SECONDS  # when what happens to the world is looked at again

    def _play_chain_events(self) -> None:
        plan, network = self.plan, self.network
        network.propagate()
        while plan.events and plan.events[0][0] <= self.seconds:
            _, what, happen = plan.events.pop(0)
            self.note("event", what)
            happen(self)
        recent = max(plan.depths) if plan.depths else 0
        if self.mined and network.head.number - self.mined[-1][1].number <= recent:
            depth = self.chance.choice(plan.depths)
            if self.draw(plan.reorganise, f"a reorganisation of {depth} blocks"):
                mode = self.chance.choice(plan.modes)
                network.include = self.chance.choice((0.2, 0.9, 1.0))
                done = network.reorganise(depth, mode)
                self.note("chain", f"{done} blocks are others now, from {network.head.number - done}: {mode}")
        if self.draw(plan.evict, "the pools forget"):
            network.evict()

    # The outside:

    def yield_point(self, point: str, seconds: float) -> None:
        """A point at which a worker waits for something else: nothing may be locked meanwhile."""
        worker = self.scheduler.current
        if worker is None:
            return
        if worker.dead:
            raise Killed
        if worker.transactions:
            raise Violated(f"{worker.name} waits for {point} inside a transaction")
        if seconds:
            self.pass_time(seconds)
        self.maybe_kill(point)
        if self.draw(self.plan.pause, f"{worker.name} stops at {point}"):
            self._rest(worker, self.chance.random() * REST_SECONDS)
        elif self.draw(self.plan.sleep, f"{worker.name} sleeps at {point}"):
            self._rest(worker, SLEEP_SECONDS * (0.5 + self.chance.random()))

    def maybe_kill(self, point: str) -> None:
        worker = self.scheduler.current
        assert worker
        probability = self.plan.kill
        for beginning, special in self.plan.kill_at.items():
            if point.startswith(beginning) or point.endswith(beginning):
                probability = max(probability, special)
        if self.draw(probability, f"{worker.name} is killed at {point}"):
            worker.dead = True
            self.kills += 1
            raise Killed

    def _rest(self, worker: Worker, seconds: float) -> None:
        worker.wake_at = self.seconds + seconds
        self.scheduler.rest(worker)
        if worker.dead:
            raise Killed

    # Reports of the ports:

    def sees_broadcast(self, tx: Signed) -> None:
        """Check R1: bytes that anybody has seen may be mined, so they must be stored."""
        if tx.hash not in self.broadcast:
            self.broadcast[tx.hash] = tx
            if tx.s > HALF_ORDER:
                raise Violated(f"EIP-2: {tx.hash[:10]} has a high s, which no node takes")
            if not self.database.rows(f"SELECT FROM payout_attempts WHERE hash = '{tx.hash}'"):
                raise Violated(f"R1: {tx.hash[:10]} was broadcast before it was stored")

    def sees_digest(self, digest: bytes) -> None:
        """Check F20 and F26: nothing is signed for long while a node is on another chain, or our keys are stopped.

        The time allowed is that of a task between its first and last question.
        """
        for node in self.nodes:
            if node.view.chain_id != CHAIN_ID and self.seconds - node.view.elsewhere_since > ASKED_WITHIN_SECONDS:
                raise Violated(f"F20: {digest.hex()[:10]} is signed while {node.name} is on chain {node.view.chain_id}")
        if self.halted_since is not None and self.seconds - self.halted_since > ASKED_WITHIN_SECONDS:
            raise Violated(f"F26: {digest.hex()[:10]} is signed while the token moves nothing for the treasury")

    def sees_final(self, transaction_hash: str) -> None:
        """Check R4: a payment that is called final is in a block that no reorganisation of this world can remove."""
        if not any(
            self.network.contains(block, self.network.finalized) for block in self.network.where[transaction_hash]
        ):
            self.stopped.append(f"R4: {transaction_hash[:10]} is called final and is not")

    def _included(self, tx: Signed, block: Block) -> None:
        self.mined.append((tx, block))
        self.note("chain", f"{tx.hash[:10]} nonce {tx.nonce} of {tx.sender[:8]} is in block {block.number}")

    # The set-up:

    def create_treasuries(self) -> None:
        """Create treasuries with money and keys, in empty tables."""
        self.database.empty()
        values = []
        for name in TREASURIES:
            self.treasury_keys[name] = self.new_key(name, 1)
            values.append((name, self.treasury_keys[name]))
        self.database.run(
            "INSERT INTO treasuries (name, chain_id, token_address) VALUES "
            + ",".join(f"('{name}', {CHAIN_ID}, '{TOKEN}')" for name, _ in values)
            + ";INSERT INTO signers (address, treasury, kms_version, created_at) VALUES "
            + ",".join(f"('{key.checksummed}', '{name}', '{key.name}', '{START}')" for name, key in values)
        )
        for _, key in values:
            self.network.fund(key.address, USDT_EACH, WEI_EACH)
        self.seconds, self.chain_events_at = CHAIN_AGE_SECONDS, CHAIN_AGE_SECONDS + CHAIN_EVENTS_SECONDS
        self.network.tick(self.seconds)
        self.network.finalized = self.network.head.number

    def new_key(self, treasury: str, version: int) -> Key:
        name = f"projects/p/locations/l/keyRings/t/cryptoKeys/{treasury}/cryptoKeyVersions/{version}"
        return self.keys.make(name, self.chance.randbytes(32))

    def want(
        self,
        treasury: str,
        amount_micro: int,
        recipient: str = "",
        kind: str = "test",
        source: str = "",
        member_id: UUID | None = None,
        requested_by: UUID | None = None,
    ) -> Wanted:
        """Request a payout; the same request comes again every time."""
        source = source or f"{self.seed}-{len(self.wanted) + 1}"
        recipient = recipient or "0x" + self.chance.randbytes(20).hex()
        terms = treasury, kind, source, recipient, Usdt(amount_micro), member_id
        self.wanted.append(Wanted(source, Promise(*terms, "simulation", source, requested_by)))
        return self.wanted[-1]

    # Operators:

    def pause(self, treasury: str, reason: str = "a person") -> None:
        """Pause a treasury: no payment may be signed for it from here on, which the run checks."""
        self.note("operator", f"pauses {treasury}")
        db.atomically(lambda tx: machine.pause(tx, treasury, reason, self.now()))
        self.frozen[treasury] = self.signed_payments(treasury)

    def resume(self, treasury: str) -> None:
        self.check_frozen(treasury)
        self.frozen.pop(treasury, None)
        self.note("operator", f"resumes {treasury}")
        db.atomically(lambda tx: recovery.resume(tx, treasury, self.now()))

    def suspend(self, member: UUID) -> None:
        """Suspend a member: nothing may be signed for them from here on."""
        if member in self.barred:
            return
        self.note("operator", f"suspends {member}")
        db.atomically(lambda tx: suspensions.suspend(tx, member, self.now()))
        self.barred[member] = self.signed_for(member)

    def activate(self, member: UUID) -> None:
        if member in self.barred:
            self.check_barred(member)
            del self.barred[member]
            self.note("operator", f"activates {member}")
            db.atomically(lambda tx: suspensions.activate(tx, member, self.now()))

    def signed_for(self, member: UUID) -> set[str]:
        rows = self.database.rows(
            "SELECT hash FROM payout_attempts JOIN payout_slots USING (signer, nonce) "
            f"JOIN payouts ON payouts.id = payout_id WHERE kind = 'PAY' AND member_id = '{member}'"
        )
        return {hash_ for (hash_,) in rows}

    def check_barred(self, member: UUID) -> None:
        """Check that nothing was signed for the member since they were suspended."""
        if new := self.signed_for(member) - self.barred[member]:
            raise Violated(f"{min(new)[:10]} was signed for {member}, who was suspended")

    def signed_payments(self, treasury: str) -> set[str]:
        rows = self.database.rows(
            "SELECT hash FROM payout_attempts JOIN signers ON address = signer "
            f"WHERE kind = 'PAY' AND origin = 'signed' AND treasury = '{treasury}'"
        )
        return {hash_ for (hash_,) in rows}

    def check_frozen(self, treasury: str) -> None:
        """Check R7: no payment was signed since the treasury was paused."""
        if treasury in self.frozen and (new := self.signed_payments(treasury) - self.frozen[treasury]):
            raise Violated(f"R7: {min(new)[:10]} was signed while {treasury} was paused")

    def payouts(self) -> dict[str, tuple[UUID, str, str | None]]:
        """Id, state and hold reason of each payout, by source."""
        rows = self.database.rows("SELECT source_id, id, state::text, hold_reason::text FROM payouts")
        return {source: (UUID(str(identity)), state, reason) for source, identity, state, reason in rows}


EventAction = Callable[[World], None]
