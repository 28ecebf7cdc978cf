"""Weeks of affiliates in a seeded schedule: people earn, link wallets, leave and decide while the job dies anywhere."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from functions.affiliate_week import recount_store
from functions.profile import closing
from functions.profile.rules import AccountCannotBeDeleted
from shared import db
from shared.affiliates import earnings, payouts
from shared.auth import Role
from shared.comps import awards, totals
from shared.database.session import Session
from shared.db import Tx
from shared.payouts import machine
from shared.values.money import Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes.crashes import Crash, crash
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.ring_rows import Rings
from tests.fakes.week_rows import CUT, wallet

BEGIN = CUT - timedelta(days=2)
PAUSES = (1, 60, 1_800, 6 * 3_600, 86_400)  # seconds
STEPS = 70
ROUNDS_MAX = 60
AFFILIATES = 6
STATEMENTS_MAX = 60  # of one run, before it dies
OPEN = """
    SELECT 1 FROM affiliate_weeks WHERE state <> 'completed'
    UNION ALL SELECT 1 FROM affiliate_payouts WHERE state IN ('proposed', 'requested')
"""


@dataclass
class WeekSchedule:
    """One schedule. `random` decides everything that chance decides; `done` counts what was done."""

    sql: Connection
    driver: PayoutDriver
    random: random.Random
    time: datetime = BEGIN
    done: Counter[str] = field(default_factory=Counter)
    affiliates: list[Somebody] = field(default_factory=list)
    comps: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weeks = Rings(self.sql)
        self.treasurers = [factories.member(role=Role.TREASURY) for _ in range(2)]
        self.affiliates = [factories.member() for _ in range(AFFILIATES)]
        self.referred = [(person, factories.member(referred_by=person)) for person in self.affiliates]

    def now(self) -> datetime:
        return self.time

    def scan(self) -> None:
        """Somebody scans whom an affiliate has referred."""
        affiliate, referred = self._pair()
        self.weeks.scan(affiliate, self.random.randint(1, 4), self.time, by=referred)

    def fill(self) -> None:
        """A sale gives the pool its share."""
        self.weeks.fill(Usdt(self.random.randint(1, 50_000_000)), self.time)

    def earn(self) -> None:
        """A member wins whom an affiliate has referred."""
        affiliate, referred = self._pair()
        amount = Usdt(self.random.randint(1_000_000, 90_000_000))
        self.comps.append(self.weeks.earn(affiliate, amount, by=referred))

    def cancel_comp(self) -> None:
        """A comp that was won is cancelled, and its match with it."""
        if self.comps:
            comp = self.random.choice(self.comps)
            with suppress(awards.CompPaid, awards.PaymentUnderWay):
                db.atomically(awards.cancel, comp, "It was a mistake.", self.time)

    def take_back(self) -> None:
        """People take an earning back, perhaps for the second time."""
        found = self.weeks.rows("SELECT id FROM affiliate_earnings WHERE kind <> 'reversal' ORDER BY earned_at, id")
        if found:
            self.done["taken back"] += db.atomically(self._take_back, self.random.choice(found)[0])

    def link(self) -> None:
        """An affiliate links a first wallet, and is paid what is owed."""
        linked = {owner for (owner,) in self.weeks.rows("SELECT id FROM members WHERE wallet_address IS NOT NULL")}
        waiting = [person for person in self._active() if person.id not in linked]
        if waiting:
            db.atomically(self._link, self.random.choice(waiting).id, wallet())

    def change_wallet(self) -> None:
        """An affiliate replaces the wallet; nothing goes to the new one for a day."""
        self.weeks.rows(
            """
            UPDATE members SET wallet_address = $2, wallet_rests_until = $3
            WHERE id = $1 AND wallet_address IS NOT NULL AND status <> 'deleted' RETURNING id
            """,
            self._one().id,
            wallet(),
            self.time + timedelta(days=1),
        )

    def suspend(self) -> None:
        """An affiliate is suspended, or active again."""
        self.weeks.rows(
            """
            UPDATE members SET status = CASE status WHEN 'active' THEN 'suspended' ELSE 'active' END
            WHERE id = $1 AND status <> 'deleted' RETURNING id
            """,
            self._one().id,
        )

    def leave(self) -> None:
        """An affiliate closes the account and gives up what is owed."""
        active = self._active()
        if len(active) > AFFILIATES // 2:
            with suppress(AccountCannotBeDeleted):
                db.atomically(lambda tx: closing.close(tx, active[0].id, forfeit=True, now=self.time))
                self.done["left"] += 1

    def doubt(self) -> None:
        """A scan is doubted, or people decide about one that is."""
        found = self.weeks.rows("SELECT scan_number FROM flagged_scans WHERE status = 'open' ORDER BY 1")
        if found and self.random.random() < 0.6:
            self.weeks.judge(self.random.choice(found)[0], self.random.choice(("cleared", "confirmed")))
            return
        numbers = self.weeks.rows(
            "SELECT number FROM scans WHERE number NOT IN (SELECT scan_number FROM flagged_scans) ORDER BY number"
        )
        if numbers:
            self.weeks.flag(self.random.choice(numbers)[0])

    def share_a_device(self) -> None:
        """An affiliate and somebody whom they have referred sign in on one device."""
        self.weeks.sign_in(*self._pair(), device=str(self.random.randint(1, 99)))

    def look(self) -> None:
        """The job looks at referrals, and does what people have decided: whole, until it dies, or twice at once."""
        chance = self.random.random()
        if chance < 0.2:
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(self.weeks.look, [self.time, self.time]))
        elif chance < 0.6:
            with self._dying():
                self.weeks.look(self.time)
        else:
            self.weeks.look(self.time)

    def decide_referral(self) -> None:
        """People decide about a referral that waits for them."""
        found = self.weeks.rows("SELECT referred_id FROM referral_reviews WHERE status = 'open' ORDER BY found_at, id")
        if found:
            referred_id = self.random.choice(found)[0]
            (referred,) = [person for _, person in self.referred if person.id == referred_id]
            verdict = self.random.choice(("cleared", "cleared", "confirmed"))
            self.weeks.decide(verdict, referred)
            self.done[verdict] += 1

    def decide(self) -> None:
        """People decide about a week that waits for them."""
        found = self.weeks.rows("SELECT week_on FROM affiliate_weeks WHERE state = 'ready' ORDER BY week_on")
        if found:
            verdict = self.random.choice(("approve", "approve", "approve", "reject", "hold", "release"))
            people = self.treasurers if verdict == "approve" else self.treasurers[:1]
            with suppress(DatabaseError):  # nobody holds it, or they have decided so before
                self.weeks.agree(*people, week_on=self.random.choice(found)[0], verdict=verdict)
                self.done[verdict] += 1

    def pay(self) -> None:
        """The machine pays one of the payouts, or people cancel it."""
        found = self.weeks.rows(
            "SELECT id FROM payouts WHERE state IN ('REQUESTED', 'APPROVED', 'HELD') "
            "AND source_kind = 'affiliate_payout' ORDER BY requested_at, id"
        )
        if not found:
            return
        payout = self.random.choice(found)[0]
        if self.random.random() < 0.2:
            db.atomically(self._cancel, payout)
            self.done["payout cancelled"] += 1
            return
        self.driver.try_to_send(payout)
        if self.driver.state(payout) == "IN_FLIGHT":
            self.driver.finalize(payout)

    def run(self) -> None:
        """The job runs: whole, until it dies, or twice at once."""
        chance = self.random.random()
        if chance < 0.2:
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(self.weeks.run, [self.time, self.time]))
        elif chance < 0.7:
            with self._dying():
                self.weeks.run(self.time)
        else:
            self.weeks.run(self.time)
        self.done["run"] += 1

    def pass_time(self, seconds: int) -> None:
        self.time += timedelta(seconds=seconds)

    def settle(self) -> None:
        """The deaths end, people agree to every week, and time passes until all is paid."""
        self.weeks.rows("UPDATE members SET status = 'active' WHERE status = 'suspended' RETURNING id")
        self.weeks.look(self.time)
        self.weeks.decide("cleared")
        for _ in range(ROUNDS_MAX):
            self.pass_time(3_600)
            self.weeks.look(self.time)
            self.weeks.run(self.time)
            for (week_on,) in self.weeks.rows("SELECT week_on FROM affiliate_weeks WHERE state = 'ready'"):
                for verdict in ("release", "approve"):
                    with suppress(DatabaseError):
                        self.weeks.agree(*self.treasurers, week_on=week_on, verdict=verdict)
            self._pay_all()
            if not self.weeks.rows(OPEN):
                return

    def _pay_all(self) -> None:
        for (payout,) in self.weeks.rows("SELECT id FROM payouts WHERE state NOT IN ('PAID', 'CANCELLED') ORDER BY id"):
            self.driver.try_to_send(payout)
            if self.driver.state(payout) == "IN_FLIGHT":
                self.driver.finalize(payout)

    def _one(self) -> Somebody:
        return self.random.choice(self._active())

    def _pair(self) -> tuple[Somebody, Somebody]:
        """An affiliate who has not left, and whom they have referred."""
        affiliate = self._one()
        return next(pair for pair in self.referred if pair[0] == affiliate)

    def _active(self) -> list[Somebody]:
        """The affiliates who have not left."""
        left = {identity for (identity,) in self.weeks.rows("SELECT id FROM members WHERE status = 'deleted'")}
        return [person for person in self.affiliates if person.id not in left]

    def _link(self, tx: Tx, member_id: UUID, address: str) -> None:
        totals.lock(tx, member_id)
        tx.run("UPDATE members SET wallet_address = :address WHERE id = :id", address=address, id=member_id)
        awards.pay_pending(tx, member_id, address, self.time)
        payouts.pay_owed(tx, member_id, address, self.time)

    def _take_back(self, tx: Tx, earning_id: UUID) -> bool:
        earning = earnings.lock(tx, earning_id)
        return earning is not None and earnings.take_back(tx, earning, self.time)

    def _cancel(self, tx: Tx, payout_id: UUID) -> None:
        payout = machine.load(tx, payout_id)
        assert payout
        machine.cancel(tx, payout, self.time)

    @contextmanager
    def _dying(self) -> Iterator[None]:
        """Die at some statement or commit, before or after it; a run that ends before does not die."""
        name = self.random.choice(("execute", "execute", "commit"))
        at = self.random.randint(1, STATEMENTS_MAX if name == "execute" else 6)
        with crash(Session, name, at=at, after=self.random.random() < 0.5):
            try:
                yield
            except Crash:
                self.done["killed"] += 1


ACTIONS: Sequence[tuple[Callable[[WeekSchedule], None], int]] = (
    (WeekSchedule.scan, 16),
    (WeekSchedule.fill, 8),
    (WeekSchedule.earn, 5),
    (WeekSchedule.cancel_comp, 2),
    (WeekSchedule.take_back, 4),
    (WeekSchedule.link, 4),
    (WeekSchedule.change_wallet, 1),
    (WeekSchedule.suspend, 2),
    (WeekSchedule.leave, 1),
    (WeekSchedule.doubt, 4),
    (WeekSchedule.share_a_device, 3),
    (WeekSchedule.look, 6),
    (WeekSchedule.decide_referral, 4),
    (WeekSchedule.decide, 10),
    (WeekSchedule.pay, 10),
    (WeekSchedule.run, 20),
)


def play(schedule: WeekSchedule) -> list[str]:
    """Play a schedule to its end; returns what was broken."""
    actions, weights = zip(*ACTIONS, strict=True)
    for _ in range(STEPS):
        schedule.pass_time(schedule.random.choice(PAUSES))
        schedule.random.choices(actions, weights)[0](schedule)
    schedule.settle()
    return list(broken(schedule))


def broken(schedule: WeekSchedule) -> Iterator[str]:
    """Everything that does not hold at the end."""
    rows = schedule.weeks.rows
    if rows(OPEN):
        yield f"weeks or payouts are open: {rows('SELECT week_on, state FROM affiliate_weeks')}"
    for (week_on,) in rows("SELECT week_on FROM affiliate_weeks WHERE outcome = 'shared' ORDER BY week_on"):
        yield from db.atomically(recount_store.differences, week_on)
    for name, query in RULES.items():
        if found := rows(query):
            yield f"{name}: {found}"
    yield from _chain(schedule)
    yield from _books(schedule)


RULES = {
    "weeks leave scans out, or count them twice": """
        SELECT week_on FROM (SELECT week_on, first_number, lag(last_number) OVER (ORDER BY week_on) AS before
                             FROM affiliate_weeks) w WHERE first_number <> coalesce(before, 0) + 1
    """,
    "a payout is not the sum of its parts": """
        SELECT id FROM affiliate_payouts p WHERE amount <>
            (SELECT sum(amount) FROM affiliate_payout_lines l WHERE l.payout_id = p.id)
    """,
    "something was paid twice": """
        SELECT share_week, l.affiliate_id, earning_id FROM affiliate_payout_lines l
        JOIN affiliate_payouts p ON p.id = l.payout_id WHERE p.state = 'paid'
        GROUP BY share_week, l.affiliate_id, earning_id HAVING count(*) > 1
    """,
    "a paid share is not settled, or a settled one not paid": """
        SELECT s.week_on, s.affiliate_id FROM affiliate_week_shares s
        WHERE s.share > 0 AND (s.settled_at IS NOT NULL AND NOT s.given_up) <> EXISTS (
            SELECT FROM affiliate_payout_lines l JOIN affiliate_payouts p ON p.id = l.payout_id
            WHERE p.state = 'paid' AND l.share_week = s.week_on AND l.affiliate_id = s.affiliate_id)
    """,
    "a paid earning is not marked, or one that is was not paid": """
        SELECT e.id FROM affiliate_earnings e WHERE (e.status = 'paid') <> EXISTS (
            SELECT FROM affiliate_payout_lines l JOIN affiliate_payouts p ON p.id = l.payout_id
            WHERE p.state = 'paid' AND l.earning_id = e.id)
    """,
    "an earning was cancelled and taken back": """
        SELECT e.id FROM affiliate_earnings e JOIN affiliate_earnings r ON r.reverses_id = e.id
        WHERE e.status = 'cancelled'
    """,
    "somebody who may be paid was not told a share": """
        SELECT s.week_on, s.affiliate_id FROM affiliate_week_shares s JOIN members m ON m.id = s.affiliate_id
        WHERE s.share > 0 AND NOT s.given_up AND m.status <> 'deleted' AND NOT EXISTS (
            SELECT FROM notifications n WHERE n.member_id = s.affiliate_id AND n.code = 'week_shared'
                AND n.data ->> 'week_on' = CAST(s.week_on AS text))
    """,
    "a match waits although nobody looks at its referral or comp": """
        SELECT e.id FROM affiliate_earnings e JOIN comps c ON c.id = e.comp_id
        WHERE e.status = 'in_review' AND c.status <> 'in_review'
    """,
    "a match of a confirmed referral is owed and in no payout": """
        SELECT e.id FROM affiliate_earnings e JOIN referral_reviews r ON r.referred_id = e.referred_id
        WHERE r.status = 'confirmed' AND e.kind = 'prize_match' AND e.status IN ('pending', 'in_review')
          AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.earning_id = e.id AND l.released_at IS NULL)
          AND NOT EXISTS (SELECT FROM affiliate_earnings b WHERE b.reverses_id = e.id)
    """,
    "a chip of a confirmed referral counts that had waited": """
        SELECT w.scan_number FROM withheld_chips w JOIN referral_reviews r USING (referred_id)
        WHERE r.status = 'confirmed' AND w.judged_at >= r.decided_at AND w.counts
    """,
    "a referral has two reviews for one signal": """
        SELECT referred_id FROM referral_reviews, jsonb_array_elements(signals) said
        GROUP BY referred_id, said ->> 'kind', said ->> 'member_id' HAVING count(*) > 1
    """,
    "a journal does not balance": """
        SELECT journal_id FROM ledger_postings GROUP BY journal_id HAVING sum(amount) <> 0
    """,
}


def _chain(schedule: WeekSchedule) -> Iterator[str]:
    """Each wallet has got exactly what the rows say."""
    moved: Counter[str] = Counter()
    for transfer in schedule.driver.chain.transfers():
        moved[transfer.recipient.lower()] += transfer.amount_micro
    paid = schedule.weeks.rows(
        "SELECT lower(recipient_address), CAST(sum(amount) AS bigint) FROM payouts WHERE state = 'PAID' GROUP BY 1"
    )
    if dict(moved) != dict(paid):
        yield f"the chain has moved {dict(moved)}, the payouts say {dict(paid)}"
    wanted = schedule.weeks.rows(
        "SELECT payout_id FROM affiliate_payouts p JOIN payouts ON payouts.id = payout_id "
        "WHERE (p.state = 'paid') <> (payouts.state = 'PAID') OR p.amount <> payouts.amount"
    )
    if wanted:
        yield f"payouts of affiliates do not follow the machine's: {wanted}"


def _books(schedule: WeekSchedule) -> Iterator[str]:
    """The books owe what rows say is owed, and no week keeps money."""
    ((owed,),) = schedule.weeks.rows(
        """
        SELECT CAST(
            (SELECT coalesce(sum(share), 0) FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on)
             WHERE w.approved_at IS NOT NULL AND settled_at IS NULL)
            + (SELECT coalesce(sum(amount), 0) FROM affiliate_earnings WHERE status IN ('pending', 'in_review'))
        AS bigint)
        """
    )
    balances = schedule.weeks.balances()
    if balances.get("owed:affiliate", 0) != owed:
        yield f"{owed} micro-USDT are owed, the books say {balances}"
    if balances.get("week:affiliate", 0):
        yield f"weeks that are over keep {balances['week:affiliate']}"


def schedule_of(seed: int, sql: Connection, driver: PayoutDriver) -> WeekSchedule:
    """The schedule of a seed, not played yet."""
    return WeekSchedule(sql, driver, random.Random(seed))  # noqa: S311 - the same seed plays the same schedule
