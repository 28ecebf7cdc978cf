"""Any history of scans, doubts, moves, weeks and months: each chip is in one place, and none below nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes.ring_rows import Rings
from tests.fakes.vault_rows import Vaults
from tests.fakes.week_rows import AFTER

STEPS = 100
DAY = timedelta(days=1)
DOZEN = 12
HAPPEN = (
    "scan",
    "scan",
    "doubt",
    "doubt_later",
    "judge",
    "scan_of_referred",
    "review",
    "decide_review",
    "vault",
    "withdraw",
    "fill",
    "week",
    "agree",
    "reject",
    "keep",
    "wait",
)


class _History:
    """A few affiliates and a time that goes on; each act moves the chips of one of them, or runs a job."""

    def __init__(self, vaults: Vaults, random: Random) -> None:
        self.vaults, self.random, self.now = vaults, random, AFTER
        self.people: Sequence[Somebody] = [factories.member() for _ in range(3)]
        self.referred = [(person, factories.member(referred_by=person)) for person in self.people]
        self.rings = Rings(vaults.sql)
        self.treasurer = factories.member(role=Role.TREASURY)

    def step(self) -> None:
        """Do one thing, at its time."""
        self.now += timedelta(minutes=self.random.choice([0, 1, 60, 60 * DOZEN, 60 * 24 * 3]))
        act: Callable[[], object] = getattr(self, self.random.choice(HAPPEN))
        act()

    def scan(self) -> None:
        self.vaults.scan(self.random.choice(self.people), self.random.randint(1, DOZEN), self.now)

    def doubt(self) -> None:
        (number,) = self.vaults.scan(self.random.choice(self.people), 1, self.now)
        self.vaults.flag(number)

    def doubt_later(self) -> None:
        """Doubt a scan of this week whose chip may be vaulted already."""
        found = self.vaults.rows(
            """
            SELECT scan_number FROM affiliate_chips
            WHERE scan_number > (SELECT max(last_number) FROM affiliate_weeks)
              AND scan_number NOT IN (SELECT scan_number FROM flagged_scans)
            ORDER BY md5(CAST(scan_number AS text)) LIMIT 5
            """
        )
        for (number,) in found:
            self.vaults.flag(number)

    def judge(self) -> None:
        for (number,) in self.vaults.rows("SELECT scan_number FROM flagged_scans WHERE status = 'open' LIMIT 1"):
            self.vaults.judge(number, self.random.choice(["cleared", "confirmed"]))

    def scan_of_referred(self) -> None:
        affiliate, referred = self.random.choice(self.referred)
        self.vaults.scan(affiliate, self.random.randint(1, DOZEN), self.now, by=referred)

    def review(self) -> None:
        """Have people look at a referral that they have not confirmed as fraud; chips may be vaulted already."""
        _, referred = self.random.choice(self.referred)
        if not self.vaults.rows(
            "SELECT FROM referral_reviews WHERE referred_id = $1 AND status <> 'cleared'", referred.id
        ):
            self.rings.review(referred)

    def decide_review(self) -> None:
        _, referred = self.random.choice(self.referred)
        self.rings.decide(self.random.choice(["cleared", "cleared", "confirmed"]), referred)

    def vault(self) -> None:
        self.vaults.vault(self.random.choice(self.people), self.random.randint(1, DOZEN), self.now)

    def withdraw(self) -> None:
        self.vaults.withdraw(self.random.choice(self.people), self.random.randint(1, DOZEN), self.now)

    def fill(self) -> None:
        self.vaults.fill(Usdt.of(self.random.randint(1, 9)), self.now)

    def week(self) -> None:
        self.vaults.run(self.now)

    def agree(self, verdict: str = "approve") -> None:
        for (week_on,) in self.vaults.rows("SELECT week_on FROM affiliate_weeks WHERE state = 'ready'"):
            self.vaults.agree(self.treasurer, week_on=week_on, verdict=verdict)
        self.vaults.run(self.now)

    def reject(self) -> None:
        self.agree("reject")

    def keep(self) -> None:
        self.vaults.keep(self.now)

    def wait(self) -> None:
        self.now += self.random.choice([7, 30, 150]) * DAY


@pytest.mark.parametrize("seed", range(4))
def test_every_chip_is_in_one_place_after_every_step(seed: int, sql: Connection) -> None:
    vaults = Vaults(sql)
    vaults.begin(chips_max=10)
    history = _History(vaults, Random(seed))  # noqa: S311 - repeatable on purpose
    for _ in range(STEPS):
        history.step()
        for person in history.people:
            where = dict(vaults.where_chips_are(person.id))
            assert all(chips >= 0 for place, chips in where.items() if place != "active"), where
            assert vaults.shown(person, history.now).active == max(where["active"], 0)
            assert where.pop("in") == sum(where.values()), where


@pytest.mark.parametrize("seed", range(3))
def test_the_bonus_is_what_a_day_by_day_look_at_the_vault_finds(seed: int, sql: Connection) -> None:
    """The lowest balance of a month, from moves at random times, beside a sum at every moment of a move."""
    random, vaults = Random(seed), Vaults(sql)  # noqa: S311 - likewise
    vaults.begin()
    somebody = factories.member()
    moment = datetime(2026, 11, 30, 8, 30, tzinfo=UTC)  # never while a week is being closed
    balance, balances = 0, [(moment, 0)]
    vaults.run(moment)
    while moment < datetime(2027, 4, 2, tzinfo=UTC):
        vaults.run(moment)
        chips = random.randint(1, 40)
        if random.random() < 0.6 or balance < chips:
            vaults.scan(somebody, chips, moment)
            assert vaults.vault(somebody, chips, moment) == ""
            balance += chips
        else:
            assert vaults.withdraw(somebody, chips, moment) == ""
            balance -= chips
        balances.append((moment, balance))
        moment += timedelta(hours=random.randint(1, 24 * 9))
    vaults.run(moment)
    vaults.keep(moment)
    expected = []
    for month in range(12, 16):
        begin, end = (datetime(2026 + it // 12, it % 12 + 1, 1, tzinfo=UTC) for it in (month - 1, month))
        opening = [chips for at, chips in balances if at <= begin][-1]
        lowest = min([opening, *(chips for at, chips in balances if begin < at < end)])
        expected.append(lowest // 5)
    given = vaults.rows("SELECT left(source, 7), chips FROM chip_moves WHERE kind = 'bonus' ORDER BY source")
    months = [f"{2026 + it // 12}-{it % 12 + 1:02}" for it in range(11, 15)]
    assert dict(given) == {month: chips for month, chips in zip(months, expected, strict=True) if chips}
