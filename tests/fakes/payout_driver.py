"""Runs the payout functions on a chain that the test controls, without HTTP, queues or nodes."""

from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID, uuid4

from functions.payout_confirm import main as payout_confirm
from functions.payout_confirm import observing
from functions.payout_send import main as payout_send
from shared import clock, db
from shared.events import SendPayout
from shared.job import ComeAgain
from shared.payouts import machine, slots
from shared.payouts.machine import Payout, Promise
from shared.values.money import Usdt
from tests.fakes.chain import FakeChain
from tests.fakes.payout_rows import AMOUNT, RECIPIENT

ROUNDS_MAX = 20
BLOCKS_TO_FINAL = 10


@dataclass
class PayoutDriver:
    """Requests payouts, sends and follows them, as the queues would have it done.

    A test that makes one has `shared.ports.polygon.chain.connect` return its chain.
    """

    chain: FakeChain

    def request(
        self,
        amount_micro: int = AMOUNT,
        recipient: str = RECIPIENT,
        treasury: str = "member",
        requested_by: UUID | None = None,
    ) -> UUID:
        source = str(uuid4())
        promise = Promise(treasury, "test", source, recipient, Usdt(amount_micro), None, "test", source, requested_by)
        return db.atomically(lambda tx: machine.request(tx, promise, clock.now()))

    def send(self, payout: UUID) -> None:
        """Run one task of payout_send on this chain."""
        payout_send.send(SendPayout(payout_id=payout, treasury=self.row(payout).treasury), clock.now())

    def try_to_send(self, payout: UUID) -> None:
        """Run a task of payout_send that may be too early."""
        with suppress(ComeAgain):
            self.send(payout)

    def confirm(self, payout: UUID) -> bool:
        """Run one task of payout_confirm; True when no other is needed."""
        with db.transaction() as tx:
            slot = slots.open_slot(tx, payout)
        if slot is None:
            return True
        observing.observe(slot.signer, self.chain)
        return self.state(payout) != "IN_FLIGHT"

    def finalize(self, payout: UUID) -> None:
        """Mine until everything in the chain is final, and confirm."""
        self.chain.mine(BLOCKS_TO_FINAL + 1)
        for _ in range(ROUNDS_MAX):
            if self.confirm(payout):
                return
        raise AssertionError(f"payout {payout} does not become final")

    def row(self, payout: UUID) -> Payout:
        found = db.atomically(lambda tx: machine.load(tx, payout))
        assert found
        return found

    def state(self, payout: UUID) -> str:
        return self.row(payout).state.value

    def sweep(self) -> list[UUID]:
        """Run the sweep of each minute; returns the payouts that it queues for payout_send."""
        before = self._asked()
        payout_confirm.sweep(clock.now())
        return self._asked()[len(before) :]

    def rows(self, query: LiteralString) -> list[tuple[UUID]]:
        """The ids that a query finds, each in a tuple of its own."""
        with db.transaction() as tx:
            return [(row.id,) for row in tx.all(Found, query)]

    def _asked(self) -> list[UUID]:
        with db.transaction() as tx:
            rows = tx.all(Asked, "SELECT body FROM outbox WHERE function = 'payout_send' ORDER BY id")
        return [UUID(str(row.body["payout_id"])) for row in rows]


@dataclass(frozen=True)
class Asked:
    body: dict[str, object]


@dataclass(frozen=True)
class Found:
    """The id of a row."""

    id: UUID
