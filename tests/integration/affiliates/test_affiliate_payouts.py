"""An affiliate sees how the parts of each payout were worked out, and weeks once people have approved them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.auth import Role
from shared.comps import awards
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import PayoutRows
from tests.fakes.week_rows import AFTER, SUNDAY, WEEK, Weeks, wallet

pytest_plugins = ["tests.fakes.payout_plugin"]

Client = Callable[..., FunctionClient]

PAYOUTS = "/v1/affiliate/payouts"
WEEKS = "/v1/affiliate/weeks"
HUNDRED = Usdt.of(100)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


@pytest.fixture
def affiliate_driver(payout_driver: PayoutDriver, rows: PayoutRows) -> PayoutDriver:
    """The machine, with money in the treasury of affiliates."""
    payout_driver.chain.mint(rows.signer("affiliate"), Usdt.of(1_000_000).micro)
    return payout_driver


def read(client: Client, somebody: Somebody, path: str) -> dict[str, Any]:
    answer = client(somebody.token).get(path)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.body
    return found


def approve(weeks: Weeks) -> None:
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()


def proposed(weeks: Weeks, *people: Somebody) -> None:
    """A week whose pool of a hundred these people share, which people have not approved yet."""
    for person in people:
        weeks.scan(person)
    weeks.fill(HUNDRED)
    weeks.run()


def test_a_payout_is_shown_from_the_approval_to_the_final_payment(
    client: Client, weeks: Weeks, affiliate_driver: PayoutDriver
) -> None:
    somebody = factories.member(wallet=wallet())
    proposed(weeks, somebody)
    assert read(client, somebody, PAYOUTS)["items"] == []
    approve(weeks)
    (shown,) = read(client, somebody, PAYOUTS)["items"]
    assert (shown["state"], shown["amount"], shown["week_on"]) == ("requested", 100, SUNDAY.isoformat())
    assert (shown["transaction_hash"], shown["explorer_url"]) == (None, None)
    (payout,) = weeks.money_payouts()
    affiliate_driver.send(payout)
    assert read(client, somebody, PAYOUTS)["items"][0]["state"] == "sent"
    affiliate_driver.finalize(payout)
    (shown,) = read(client, somebody, PAYOUTS)["items"]
    assert shown["state"] == "paid"
    assert shown["explorer_url"] == f"https://polygonscan.com/tx/{shown['transaction_hash']}"


def test_the_parts_of_a_payout_have_their_formulas_and_sum_to_it(client: Client, weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    others = [factories.member() for _ in range(2)]
    weeks.earn(somebody, Usdt.of("12.34"))
    proposed(weeks, somebody, *others)
    approve(weeks)
    (listed,) = read(client, somebody, PAYOUTS)["items"]
    shown = read(client, somebody, f"{PAYOUTS}/{listed['id']}")
    share, match = shown["lines"]
    assert (share["kind"], share["formula"], share["week_on"]) == ("share", "100.00 × 1 ÷ 3", SUNDAY.isoformat())
    assert share["mark"] == read(client, somebody, f"{WEEKS}/{SUNDAY}")["line"]["mark"]
    assert (match["kind"], match["formula"], match["amount"]) == ("match", "12.34 × 21 %", 2.5914)
    assert match["username"] is not None
    assert match["mark"] is share["username"] is share["earning_id"] is None
    assert round(share["amount"] + match["amount"], 6) == shown["amount"]
    assert shown["lines_left_out"] == 0
    assert {name: shown[name] for name in listed} == listed


def test_what_was_taken_back_is_a_part_below_zero(client: Client, weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    comp = weeks.earn(somebody, Usdt.of(100))
    proposed(weeks, somebody)
    db.atomically(awards.cancel, comp, "a mistake", clock.now())
    approve(weeks)
    weeks.scan(somebody, at=AFTER)
    weeks.fill(HUNDRED, AFTER)
    weeks.run(AFTER + WEEK)
    weeks.agree(factories.member(role=Role.TREASURY), week_on=SUNDAY + WEEK)
    weeks.run(AFTER + WEEK)
    newest, oldest = read(client, somebody, PAYOUTS)["items"]
    assert (newest["amount"], oldest["amount"]) == (79, 121)
    share, reversal = read(client, somebody, f"{PAYOUTS}/{newest['id']}")["lines"]
    match = read(client, somebody, f"{PAYOUTS}/{oldest['id']}")["lines"][1]
    assert (share["amount"], reversal["kind"], reversal["amount"]) == (100, "reversal", -21)
    assert (reversal["formula"], reversal["reverses_id"]) == (None, match["earning_id"])


def test_another_members_payout_is_not_there(client: Client, weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    proposed(weeks, somebody)
    approve(weeks)
    (listed,) = read(client, somebody, PAYOUTS)["items"]
    stranger = client(factories.member().token)
    for identity in (listed["id"], str(uuid4()), str(weeks.money_payouts()[0]), "x", "1"):
        assert stranger.get(f"{PAYOUTS}/{identity}").problem == "not-found", identity


def test_a_proposal_is_no_payout_by_its_id_either(client: Client, weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    proposed(weeks, somebody)
    ((identity,),) = weeks.rows("SELECT id FROM affiliate_payouts")
    assert isinstance(identity, UUID)
    assert client(somebody.token).get(f"{PAYOUTS}/{identity}").problem == "not-found"


def test_a_payout_of_very_many_parts_says_how_many_are_left_out(
    client: Client, weeks: Weeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.affiliate.payouts.LINES_MAX", 2)
    somebody = factories.member(wallet=wallet())
    for _ in range(3):
        weeks.earn(somebody, HUNDRED)
    proposed(weeks, somebody)
    approve(weeks)
    (listed,) = read(client, somebody, PAYOUTS)["items"]
    shown = read(client, somebody, f"{PAYOUTS}/{listed['id']}")
    assert (len(shown["lines"]), shown["lines_left_out"]) == (2, 2)


def test_a_week_is_being_counted_until_people_approve_it(client: Client, weeks: Weeks) -> None:
    somebody, other = factories.member(), factories.member()
    weeks.scan(other)
    proposed(weeks, somebody)
    before = read(client, somebody, f"{WEEKS}/{SUNDAY}")
    assert before.pop("formula").startswith("pool × chips ÷ all chips")
    assert (before.pop("week_on"), before.pop("state")) == (SUNDAY.isoformat(), "being_counted")
    assert set(before.values()) == {None}
    approve(weeks)
    after = read(client, somebody, f"{WEEKS}/{SUNDAY}")
    assert (after["outcome"], after["pool"], after["chips"], after["affiliates"]) == ("shared", 100, 2, 2)
    assert (after["first_number"], after["last_number"]) == (1, 2)
    assert after["digest"] == bytes.fromhex(weeks.week()["digest"][2:]).hex()
    line = after["line"]
    ((mark,),) = weeks.rows(
        "SELECT encode(mark, 'hex') FROM affiliate_week_shares WHERE affiliate_id = $1", somebody.id
    )
    assert line == {
        "mark": mark, "scan_chips": 1, "brought": 0, "put_away": 0, "chips": 1, "overflow": 0, "share": 50,
        "formula": "100.00 × 1 ÷ 2",
    }  # fmt: skip
    stranger = read(client, factories.member(), f"{WEEKS}/{SUNDAY}")
    assert (stranger["line"], stranger["digest"]) == (None, after["digest"])


def test_a_week_that_shares_nothing_says_why(client: Client, weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.fill(HUNDRED)
    weeks.run()
    shown = read(client, somebody, f"{WEEKS}/{SUNDAY}")
    assert (shown["state"], shown["outcome"], shown["pool"], shown["line"]) == ("completed", "no_chips", 100, None)


@pytest.mark.parametrize(
    "text",
    ["2026-11-21", "2026-11-23", "2099-11-22", "1999-01-03", "20261122", "2026-W47-7", "2026-11-22T00:00:00Z",
     "2026-02-29", "x", "0", "%00", "9999-99-99", "-1", "\uff12026-11-22"],
)  # fmt: skip
def test_a_day_on_which_no_week_ended_is_not_there(text: str, client: Client, weeks: Weeks) -> None:
    weeks.run(AFTER + timedelta(hours=1))
    assert client(factories.member().token).get(f"{WEEKS}/{text}").problem == "not-found"
