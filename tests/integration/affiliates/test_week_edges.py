"""Weeks at their edges: the smallest and the largest pool, odd calendars, and what comes in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import count
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.affiliate_week import payout_store, recount_store
from functions.scans import main
from functions.scans.main import ScanSubmission
from functions.scans.receipts import ScanReceipt
from shared import db
from shared.affiliates import payouts
from shared.auth import Member, Role
from shared.values.money import Usdt
from shared.values.problems import Problem
from shared.values.tiers import Tier
from shared.web.http import Client as RequestClient
from shared.web.signatures import Asked
from tests import factories
from tests.factories import Somebody
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK, Weeks, wallet

MINUTE = timedelta(minutes=1)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def agree(weeks: Weeks, week_on: date = SUNDAY) -> None:
    weeks.agree(*(factories.member(role=Role.TREASURY) for _ in range(2)), week_on=week_on)


@pytest.mark.parametrize("chips", [[1], [1, 1, 1], [3, 1, 2, 1]], ids=["one affiliate", "all equal", "different"])
@pytest.mark.parametrize("micro", [1, 2**62], ids=["a millionth", "2^62"])
def test_any_pool_is_divided_to_the_millionth(weeks: Weeks, micro: int, chips: list[int]) -> None:
    for number in chips:
        weeks.scan(factories.member(wallet=wallet()), number)
    weeks.fill(Usdt(micro))
    weeks.run()
    shares = [share for (share,) in weeks.rows("SELECT share FROM affiliate_week_shares ORDER BY mark")]
    in_order = [its for (its,) in weeks.rows("SELECT chips FROM affiliate_week_shares ORDER BY mark")]
    assert sum(shares) == micro
    assert shares == [share.micro for share in Usdt(micro).allocate(in_order)]
    assert db.atomically(recount_store.differences, SUNDAY) == []
    assert weeks.week()["state"] == "ready"


@pytest.mark.parametrize("sunday", [date(2032, 2, 29), date(2028, 3, 5), date(2027, 1, 3)], ids=str)
def test_weeks_of_odd_calendars_follow_each_other(weeks: Weeks, sunday: date) -> None:
    """One ends on 29 February, one has it inside, and one begins in a year of 53 weeks and ends in the next."""
    somebody = factories.member()
    cut = datetime(sunday.year, sunday.month, sunday.day, tzinfo=UTC)
    weeks.run(cut - WEEK + 5 * MINUTE)
    for moment in (cut - WEEK + 6 * MINUTE, cut - timedelta(microseconds=1), cut):
        weeks.scan(somebody, 1, moment)
    weeks.fill(Usdt.of(10), cut - MINUTE)
    weeks.run(cut + 5 * MINUTE)
    assert weeks.rows("SELECT week_on FROM affiliate_weeks ORDER BY week_on") == [(sunday - WEEK,), (sunday,)]
    assert weeks.shares(sunday) == {somebody.id: (2, 0, 10_000_000)}


def test_scans_across_midnight_are_each_in_one_week(weeks: Weeks) -> None:
    """Eight scanners at once, while the clock passes the end of the week, and then the job opens it."""
    affiliate = factories.member()
    scanners = [_scanner(factories.member(referred_by=affiliate), number) for number in range(1, 9)]
    codes = factories.manufactured_codes(8 * 12)
    weeks.run(AFTER - WEEK)
    weeks.fill(Usdt.of(10))
    ticks = count()  # each scan is a second later than the one that began before it

    def scan(position: int) -> list[ScanReceipt | Problem]:
        answers = []
        for code in codes[position::8]:
            now = CUT + timedelta(seconds=next(ticks) - len(codes) // 2)
            asked = Asked(scanners[position], ScanSubmission(code=code), RequestClient("2001:db8::1", "tests"), 0.0)
            answers += db.atomically(main.submit, [asked], now)
        return answers

    with ThreadPoolExecutor(8) as threads:
        answers = [answer for its in threads.map(scan, range(8)) for answer in its]
    assert all(isinstance(answer, ScanReceipt) for answer in answers), answers
    weeks.run(AFTER)
    weeks.fill(Usdt.of(10), AFTER)
    weeks.run(AFTER + WEEK)
    assert weeks.rows("SELECT min(scanned_at) < $1, max(scanned_at) > $1 FROM scans", CUT) == [(True, True)]
    chips = [weeks.shares(week_on)[affiliate.id][0] for week_on in (SUNDAY, SUNDAY + WEEK)]
    assert sum(chips) == len(codes) == len(weeks.rows("SELECT 1 FROM affiliate_chips"))
    assert min(chips) > len(codes) // 4
    assert weeks.rows("SELECT count(*) FROM scans WHERE scanned_at < $1 AND number > $2", CUT, chips[0]) == [(0,)]


def _scanner(somebody: Somebody, number: int) -> Member:
    return Member(
        id=somebody.id,
        number=number,
        username="x",
        status="active",
        role=None,
        permanent_tier=Tier.STANDARD,
        quarter_tier=Tier.STANDARD,
        session_id=uuid4(),
    )


def test_a_wallet_that_is_linked_while_the_week_is_asked_for_is_paid_once(
    weeks: Weeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payout_store, "PORTION", 1)
    late, *others = [factories.member(), *(factories.member(wallet=wallet()) for _ in range(3))]
    for person in (late, *others):
        weeks.scan(person)
    weeks.fill(Usdt.of(40))
    weeks.run()
    agree(weeks)
    promise = payouts.promise
    linked: list[Somebody] = []

    def linking(*given: object) -> None:
        promise(*given)  # type: ignore[arg-type]  # passed on as they came
        if not linked:
            linked.append(late)
            with ThreadPoolExecutor(1) as threads:
                threads.submit(_link, weeks, late).result()

    monkeypatch.setattr(payouts, "promise", linking)
    weeks.run()
    assert linked
    assert sorted(weeks.rows("SELECT member_id, amount FROM payouts")) == sorted(
        (person.id, 10_000_000) for person in (late, *others)
    )
    weeks.run(AFTER + MINUTE)
    assert len(weeks.money_payouts()) == 4


def _link(weeks: Weeks, somebody: Somebody) -> None:
    address = wallet()
    weeks.rows("UPDATE members SET wallet_address = $2 WHERE id = $1 RETURNING 1", somebody.id, address)
    db.atomically(payouts.pay_owed, somebody.id, address, AFTER)


def test_a_scan_that_is_cleared_between_count_and_approval_counts_in_the_next_week(weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    doubted, _ = weeks.scan(somebody, 2)
    weeks.flag(doubted)
    weeks.fill(Usdt.of(10))
    weeks.run()
    before = weeks.week()["payment_digest"]
    weeks.judge(doubted, "cleared")
    weeks.run()
    assert weeks.week()["payment_digest"] == before
    agree(weeks)
    for _ in range(2):
        weeks.run(AFTER + MINUTE)
    assert weeks.shares()[somebody.id][0] == 1
    assert weeks.rows("SELECT kind, chips, week_on FROM chip_moves") == [("cleared", 1, SUNDAY + WEEK)]
