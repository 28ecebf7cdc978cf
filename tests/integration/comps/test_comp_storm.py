"""Everything that can happen to comps, at random and by many at once, beside real scans: the books agree."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.comps import awards
from shared.comps.awards import CompPaid, PaymentUnderWay
from shared.job import ComeAgain
from shared.values.money import ZERO, Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import CompRecords, award_comp, award_for, cancel, in_parallel, match, release
from tests.fakes.payout_driver import PayoutDriver

pytest_plugins = ["tests.fakes.payout_plugin"]

Client = Callable[..., FunctionClient]

FIVE = Usdt.of(5)
THREADS = 8
ACTS = 25
COMPS = 6
WALLETS = [f"0x{number:040x}" for number in range(1, 5)]


@dataclass(frozen=True)
class _Payout:
    id: UUID


@dataclass(frozen=True)
class Storm:
    """A chain of referrals, so that winners are affiliates as well; everybody goes on scanning."""

    client: Client
    payout_driver: PayoutDriver
    people: list[Somebody]
    codes: Iterator[str]

    def somebody(self, comp: UUID) -> Somebody:
        return self.people[comp.int % len(self.people)]

    def cancel(self, comp: UUID) -> None:
        with suppress(CompPaid, PaymentUnderWay):
            cancel(comp)

    def choose(self, comp: UUID) -> None:
        match(comp, Usdt.of(75_000))

    def release(self, comp: UUID) -> None:
        release(comp)

    def award(self, comp: UUID) -> None:
        """Award a comp from one of five sources of its member."""
        somebody = self.somebody(comp)
        award = award_for(somebody, FIVE, source=f"{somebody.id}-{comp.int % 5}")
        db.atomically(lambda tx: awards.award(tx, award, clock.now()))

    def scan(self, comp: UUID) -> None:
        receipt = self.client(self.somebody(comp).token).post("/v1/scans/submit", {"code": next(self.codes)})
        assert receipt.status == 201

    def pay(self, _: UUID) -> None:
        some = "SELECT id FROM payouts WHERE state <> 'CANCELLED' ORDER BY random() LIMIT 1"
        for payout in db.atomically(lambda tx: tx.all(_Payout, some)):
            with suppress(ComeAgain):
                self.payout_driver.send(payout.id)
                self.payout_driver.chain.mine(2)
                self.payout_driver.confirm(payout.id)

    def settle(self) -> None:
        """Send and bury until nothing waits any more: each task is worth the first payout that does, not its own."""
        waiting = "SELECT id FROM payouts WHERE state NOT IN ('PAID', 'CANCELLED') ORDER BY requested_at"
        while payouts := self.payout_driver.rows(waiting):
            for (payout,) in payouts:
                self.payout_driver.try_to_send(payout)
            for (payout,) in payouts:
                if self.payout_driver.state(payout) == "IN_FLIGHT":
                    self.payout_driver.finalize(payout)

    def acts(self) -> list[Callable[[UUID], None]]:
        return [self.cancel, self.choose, self.release, self.award, self.scan, self.scan, self.pay, self.pay]


@pytest.fixture
def storm(client: Client, payout_driver: PayoutDriver) -> Storm:
    people = [factories.member(wallet=WALLETS[0])]
    for wallet in WALLETS[1:]:
        people.append(factories.member(wallet=wallet, referred_by=people[-1], permanent_tier=Tier.VIP))
    return Storm(client, payout_driver, people, iter(factories.manufactured_codes(THREADS * ACTS)))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_many_do_at_once_the_books_agree(seed: int, storm: Storm, sql: Connection) -> None:
    comp_records, payout_driver = CompRecords(sql), storm.payout_driver
    made = [
        award_comp(somebody, amount, kind=kind, in_review=in_review)
        for somebody in storm.people
        for amount, kind in ((FIVE, CompType.MANUAL), (FIVE, CompType.NEW_MEMBER_GUARANTEE), (ZERO, CompType.TRIP))
        for in_review in (False, True)
    ]
    factories.set_scan_counter(490)

    def live(number: int) -> None:
        chance = random.Random(seed * THREADS + number)  # noqa: S311 - nothing is secret here
        for _ in range(ACTS):
            chance.choice(storm.acts())(chance.choice(made))

    in_parallel(*(lambda number=number: live(number) for number in range(THREADS)))

    comp_records.assert_consistent()
    for comp in made:
        storm.cancel(comp)
    storm.settle()
    comp_records.assert_consistent()
    assert comp_records.rows("SELECT count(*) FROM milestones WHERE scan_number = 500") == [[1]]
    ((paid,),) = comp_records.rows("SELECT coalesce(sum(amount), 0)::bigint FROM comps WHERE status = 'paid'")
    assert paid == sum(payout_driver.chain.balance(wallet, len(payout_driver.chain.blocks) - 1) for wallet in WALLETS)
    assert {comp for comp in made if comp_records.comp_status(comp) not in ("cancelled", "paid")} == set()
