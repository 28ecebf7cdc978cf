"""A shop whose parts fail: the real jobs and Postgres, the vendors' stand-ins over HTTP, and tasks that get lost."""

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest

from emulators.vendor import Fault, VendorError
from emulators.vendors import Vendors
from functions.order_advance import main as order_advance
from functions.order_fulfil import main as order_fulfil
from functions.payment_watch import main as payment_watch
from functions.sale_accrue import main as sale_accrue
from shared import clock, db, settings
from shared.credentials import vault
from shared.db import ConstraintViolated, Tx
from shared.events import AccrueSale, AdvanceOrder, AskPayment, FulfilOrder, LookAtDispute, Task
from shared.job import ComeAgain
from shared.orders import rows, tasks
from shared.orders.addresses import DeliveryAddress
from shared.orders.disputes import is_disputed
from shared.orders.states import CancelReason
from shared.ports import ages, card, vendors, warehouse
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.crashes import Crash, crash, killed_after
from tests.fakes.shop_client import COFFEE, MINT
from tests.fault.simulation.database import Database
from tests.fault.simulation.people import WINNERS

BEGIN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STOCK = 10_000
CARDS = ("ok", "ok", "ok", "declined", "action", "silent-done", "silent-undone", "late", "captures-late")
NAMES = ("Accepted", "Accepted", "Accepted", "Denied", "Photo", "Pending")
CALLS: tuple[tuple[object, str], ...] = (
    *((card, name) for name in ("authorize", "capture", "void", "refund", "find", "abandon", "dispute")),
    *((ages, name) for name in ("begin", "look")),
    *((warehouse, name) for name in ("submit", "find", "cancel")),
)
FAULTS = tuple(fault for fault in Fault if fault not in (Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.REFUSED))
PAID_SHARE = 0.5  # of the orders are paid without ado, so that many come to the warehouse
LATER_SECONDS = 1e6  # what is late is decided by the schedule, not by a timer
ANSWER_SECONDS_MAX = 0.05
AGAIN = timedelta(minutes=1)
Handler = tuple[type[Task], Callable[[Any, datetime], None]]
DISPUTE: Handler = (LookAtDispute, payment_watch.look_at_dispute)  # the second kind of task of its function
TASKS: Mapping[str, Handler] = {
    "order_advance": (AdvanceOrder, order_advance.advance),
    "payment_watch": (AskPayment, payment_watch.ask),
    "order_fulfil": (FulfilOrder, order_fulfil.fulfil),
    "sale_accrue": (AccrueSale, sale_accrue.accrue),
}


@dataclass(frozen=True)
class Delivery:
    """A task that waits in a queue, until `due` at least."""

    function: str
    body: Mapping[str, Any]
    due: datetime


@dataclass
class World:
    """One schedule's shop. `random` decides everything that chance decides."""

    database: Database
    vendors: Vendors
    random: random.Random
    time: datetime = BEGIN
    waiting: list[Delivery] = field(default_factory=list)
    jobs: tuple[ModuleType, ...] = (order_advance, payment_watch, order_fulfil, sale_accrue)
    tasks: dict[str, Handler] = field(default_factory=lambda: dict(TASKS))
    calls: tuple[tuple[object, str], ...] = CALLS  # before or after which a worker may die
    names: set[str] = field(default_factory=set)  # of tasks: a second one of a name is none
    orders: list[UUID] = field(default_factory=list)
    by_hand: list[tuple[UUID, Mapping[str, int]]] = field(default_factory=list)  # what people have sent, order by order
    counts: list[tuple[datetime, Mapping[str, int]]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    is_calm: bool = False  # nobody dies any more
    secrets: Mapping[UUID, bytes] = field(default_factory=dict)  # of the admins' authenticator apps
    account: UUID | None = None  # of wholesale
    treasury: object = None  # the shop's (treasury.py)
    statement: list[Any] = field(default_factory=list)  # what has come to our bank

    def now(self) -> datetime:
        return self.time

    def order(self) -> None:
        """A member orders; the task that the checkout queues may be lost."""
        who = Somebody(UUID(str(self.random.choice(WINNERS))), "", "")
        name, paid_by = self.random.choice(NAMES), self.random.choice(CARDS)
        if self.random.random() < PAID_SHARE:
            name, paid_by = "Accepted", "ok"
        home = DeliveryAddress(f"Ann {name}", "12 Main Street", "", "Springfield", "IL", "62704")
        tins = {MINT: self.random.randint(1, 9)} | ({COFFEE: 2} if self.random.random() < 0.3 else {})
        self.database.run(f"DELETE FROM carts WHERE status = 'open' AND member_id = '{who.id}'")
        order = order_rows.placed(who, tins, card=paid_by, address=home, at=self.time)
        self.orders.append(order)
        if self.random.random() < 0.9:
            db.atomically(tasks.advance_soon, order, self.time)
        self.done[f"order {paid_by} {name}"] += 1

    def pay_again(self) -> None:
        """Pay an order whose payment failed once more, as `POST /v1/orders/{order_id}/pay` does."""
        failed = self.database.rows(
            "SELECT o.id FROM orders o WHERE state = 'payment_processing' AND cancel_wanted_at IS NULL AND NOT EXISTS ("
            "SELECT FROM payments WHERE order_id = o.id AND state IN ('pending', 'authorized', 'captured')) ORDER BY id"
        )
        if failed:
            (order,) = self.random.choice(failed)
            order_rows.payment(order, self.random.choice(CARDS), at=self.time)
            db.atomically(tasks.advance_soon, order, self.time)
            self.done["paid again"] += 1

    def cancel(self) -> None:
        """The buyer of an order wants it no more."""
        if self.orders:
            order = self.random.choice(self.orders)
            self.done["cancel" if db.atomically(self._want_cancelled, order) else "cancel: disputed"] += 1
            db.atomically(tasks.advance_soon, order, self.time)

    def _want_cancelled(self, tx: Tx, order: UUID) -> bool:
        """As the buyer's request does; False while the payment is disputed."""
        rows.lock(tx, order)
        if is_disputed(tx, order):
            return False
        rows.want_cancelled(tx, order, CancelReason.MEMBER, self.time)
        return True

    def decide(self) -> None:
        """The bank or the age check decides something that it had left open."""
        for made in self.vendors.card.operations():
            if self.random.random() < 0.5:
                self.vendors.card.decide(made.id, self.random.choice(("succeeded", "succeeded", "declined")))
        for check in self.vendors.ages.checks():
            if check.status in ("photo_id", "pending") and self.random.random() < 0.5:
                self.vendors.ages.decide(check.uuid, self.random.choice(("accepted", "denied")))

    def spoil(self) -> None:
        """The next calls of a vendor fail, done or not; or the issuer declines to have the money taken."""
        part = self.random.choice((self.vendors.card, self.vendors.ages, self.vendors.warehouse))
        part.fail_next(self.random.randint(1, 3), self.random.choice(FAULTS))
        if self.random.random() < 0.2:
            self.vendors.card.decline_next("capture")

    def work(self) -> None:
        """The warehouse does something with one of its orders, and tells it, or its message gets lost."""
        place, chance = self.vendors.warehouse, self.random.random()
        if not place.orders():
            return
        order = self.random.choice(place.orders())
        with suppress(VendorError):
            if chance < 0.3:
                place.pack(order.external_id)
            elif chance < 0.35:
                place.refuse(order.external_id)
            elif chance < 0.6:
                sku = self.random.choice(sorted(order.items))
                place.ship(order.external_id, {sku: 1})
            elif chance < 0.7:
                place.ship(order.external_id)
            elif order.is_stopping and chance < 0.9:
                place.stop_packed(order.external_id)
            elif order.shipments:
                way = self.random.choice(("in_transit", "delivered", "returned"))
                place.journey(self.random.choice(order.shipments).tracking_number, way)
        self.tell(order.external_id)

    def count(self) -> None:
        """Somebody counts what lies in the warehouse; the count arrives now, later, or after the next one."""
        self.pass_time(1)
        self.counts.append((self.time, self.vendors.warehouse.stock()))
        self.pass_time(1)
        if self.random.random() < 0.6:
            as_of, found = self.counts.pop(self.random.randrange(len(self.counts)))
            with suppress(ConstraintViolated):  # a later count is known
                db.atomically(_counted, found, as_of, self.time)
                self.done["counted"] += 1

    def send_all(self) -> None:
        """The warehouse sends whatever it has, and every parcel arrives."""
        place = self.vendors.warehouse
        for order in place.orders():
            with suppress(VendorError):
                place.ship(order.external_id)
            for parcel in order.shipments:
                if parcel.status in ("shipped", "in_transit"):
                    place.journey(parcel.tracking_number, "delivered")
            self.tell(order.external_id)

    def tell(self, external_id: str) -> None:
        """The warehouse's message about an order arrives, or gets lost; its tasks come in any order."""
        if self.random.random() < 0.7:
            db.atomically(tasks.fulfil_soon, UUID(external_id), self.time)

    def collect(self) -> None:
        """Take the tasks that were queued since from the outbox."""
        found = self.database.rows(
            "UPDATE outbox SET published_at = created_at WHERE published_at IS NULL "
            "RETURNING id, kind, function, body, coalesce(deliver_at, created_at), task_name"
        )
        for _, kind, function, body, due, name in sorted(found, key=lambda row: row[0]):
            if kind == "task" and name not in self.names:
                self.waiting.append(Delivery(function, body if isinstance(body, dict) else json.loads(body), due))
                self.names |= {name} - {None}

    def deliver(self) -> None:
        """Deliver one task: perhaps out of order, twice, to a worker that dies, or not at all."""
        due = self.due()
        if not due:
            return
        delivery = self.random.choice(due)
        self.waiting.remove(delivery)
        chance = self.random.random()
        if chance < 0.05:
            self.done["task lost"] += 1
            return
        if chance < 0.15:
            self.waiting.append(delivery)  # it comes again
        with self.dying() as died:
            self.handle(delivery)
        if died() and self.random.random() < 0.7:
            self.waiting.append(delivery)

    def drain(self) -> None:
        """Deliver everything that waits, with nobody dying."""
        while due := self.due():
            self.waiting.remove(due[0])
            self.handle(due[0])

    def due(self) -> list[Delivery]:
        """The tasks that may be delivered now, in the order in which they were queued."""
        self.collect()
        return [delivery for delivery in self.waiting if delivery.due <= self.time]

    def handle(self, delivery: Delivery) -> None:
        """Have a function handle a task; one that is to come again does so a minute later."""
        kind, work = DISPUTE if "reference" in delivery.body else self.tasks[delivery.function]
        with db.acting_for(delivery.function):
            try:
                work(kind.model_validate(delivery.body, strict=False), self.time)
            except ComeAgain:
                self.waiting.append(replace(delivery, due=self.time + AGAIN))

    def sweep(self) -> None:
        for job in self.jobs:
            with db.acting_for(job.job.function):
                job.sweep(self.time)

    def pass_time(self, seconds: int) -> None:
        self.time += timedelta(seconds=seconds)

    @contextmanager
    def dying(self) -> Iterator[Callable[[], bool]]:
        """A worker that may die: between two of its transactions, or just before or after it calls a vendor."""
        chance, dead = self.random.random(), False
        with ExitStack() as stack:
            if self.is_calm:
                pass
            elif chance < 0.15:
                stack.enter_context(killed_after(self.random.randint(0, 2)))
            elif chance < 0.4:
                owner, name = self.random.choice(self.calls)
                stack.enter_context(crash(owner, name, at=1, after=self.random.random() < 0.5))
            try:
                yield lambda: dead
            except Crash:
                dead = True
                self.done["killed"] += 1


@contextmanager
def opened(database: Database) -> Iterator[Vendors]:
    """The vendors' stand-ins, with the ports pointed at them and Postgres's secrets at hand."""
    made = Vendors()
    made.start()
    try:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in made.settings.items():
                patched.setenv(name, value)
            patched.setenv("FINGERPRINT_KEY", "00" * 32)
            yield made
    finally:
        made.stop()
    assert database


@contextmanager
def begun(database: Database, made: Vendors, seed: int) -> Iterator[World]:
    """A new world: empty tables, full shelves, vendors who know nothing."""
    world = World(database, made, random.Random(seed))  # noqa: S311 - the same seed plays the same schedule
    database.empty()
    made.clear()
    made.card.later_seconds = made.warehouse.later_seconds = LATER_SECONDS
    for part in (made.card, made.ages, made.warehouse):
        part.now = world.now
    made.card.books.now = world.now
    made.warehouse.set_counts({sku: STOCK for (sku,) in database.rows("SELECT sku FROM stock")})
    settings.forget()
    database.run(f"UPDATE stock SET on_hand = {STOCK}, promised = 0, counted_at = '{BEGIN}'")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clock, "now", world.now)
        patched.setattr(vendors, "ANSWER_SECONDS_MAX", ANSWER_SECONDS_MAX)
        db.atomically(_data_key)
        yield world


def _counted(tx: Tx, found: Mapping[str, int], as_of: datetime, now: datetime) -> None:
    """Record a count, of the products that orders are of."""
    for sku in (MINT, COFFEE):
        tx.run(
            """
            INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
            VALUES (:sku, 'count', :quantity, :as_of, :now, :member, 'A count')
            """,
            sku=sku,
            quantity=found[sku],
            as_of=as_of,
            now=now,
            member=WINNERS[0],
        )


def _data_key(tx: Tx) -> None:
    """A data key that this process knows without KMS."""
    key = uuid4()
    tx.run(
        "INSERT INTO data_keys (id, kms_key, wrapped, created_at) VALUES (:id, 'simulated', '\\x00', :now)",
        id=key,
        now=BEGIN,
    )
    vault._unwrapped[key] = os.urandom(vault.KEY_BYTES)
