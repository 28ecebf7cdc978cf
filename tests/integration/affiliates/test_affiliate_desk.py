"""Treasury admins see all affiliates by their figures, and each on a page, with nothing that is not theirs to see."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.profile import closing
from functions.referral_refresh import main
from shared import clock, db
from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.fakes.vault_rows import Vaults
from tests.fakes.week_rows import CUT, Weeks, wallet

Client = Callable[..., FunctionClient]
PATH = "/v1/admin/affiliates"
DAY = timedelta(days=1)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


@pytest.fixture
def desk(client: Client) -> FunctionClient:
    return client(factories.member(role=Role.TREASURY).token)


def refresh() -> None:
    with db.acting_for("referral_refresh"):
        main.refresh(clock.now())


def listed(desk: FunctionClient, query: str = "") -> list[dict[str, Any]]:
    answer = desk.get(PATH + query)
    assert answer.status == 200, answer.body
    return list(answer.body["items"])


def shown(desk: FunctionClient, somebody: Somebody) -> dict[str, Any]:
    answer = desk.get(f"{PATH}/{somebody.id}")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def name_of(somebody: Somebody) -> str:
    return somebody.email.partition("@")[0]


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_the_list_has_everybody_with_a_referral_a_chip_or_an_earning(desk: FunctionClient, weeks: Weeks) -> None:
    referrer, scanned, earner = factories.member(), factories.member(wallet=wallet()), factories.member()
    factories.member(referred_by=referrer)
    weeks.scan(scanned, 3, CUT)
    weeks.earn(earner, Usdt.of(100))
    assert listed(desk) == [], "the job has not run"
    refresh()
    found = {row["id"]: row for row in listed(desk)}
    assert set(found) == {str(referrer.id), str(scanned.id), str(earner.id)}
    assert found[str(earner.id)] == {
        "id": str(earner.id), "username": name_of(earner), "status": "active", "has_wallet": False,
        "joined_at": found[str(earner.id)]["joined_at"], "downline": 1, "chips": 0, "earned": 21,
        "as_of": found[str(earner.id)]["as_of"],
    }  # fmt: skip
    assert (found[str(scanned.id)]["chips"], found[str(scanned.id)]["has_wallet"]) == (3, True)
    assert found[str(referrer.id)]["downline"] == 1


def test_it_is_sorted_by_the_figure_that_is_asked_for(desk: FunctionClient, weeks: Weeks) -> None:
    rich, popular, busy = (factories.member() for _ in range(3))
    weeks.earn(rich, Usdt.of(500))
    for _ in range(3):
        factories.member(referred_by=popular)
    weeks.scan(busy, 9, CUT)
    refresh()
    firsts = {order: listed(desk, f"?sort={order}&limit=1")[0]["id"] for order in ("earnings", "downline", "chips")}
    assert firsts == {"earnings": str(rich.id), "downline": str(popular.id), "chips": str(busy.id)}
    assert listed(desk) == listed(desk, "?sort=earnings")


def test_shares_count_once_their_week_is_approved(desk: FunctionClient, weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.scan(somebody, 2)
    weeks.fill(Usdt.of(100))
    weeks.run()
    refresh()
    assert listed(desk)[0]["earned"] == 0
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    for _ in range(2):
        refresh()
        assert listed(desk)[0]["earned"] == 100
    assert shown(desk, somebody)["earned_lifetime"] == 100


def test_who_has_left_stays_without_a_name(desk: FunctionClient, weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.scan(somebody, 2, CUT)
    db.atomically(closing.close, somebody.id, forfeit=True, now=clock.now())
    refresh()
    (row,) = listed(desk)
    assert (row["username"], row["status"], row["chips"], row["has_wallet"]) == (None, "deleted", 2, False)
    page = shown(desk, somebody)
    assert (page["username"], page["status"]) == (None, "deleted")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "query",
    [
        "?sort=age", "?sort=", "?sort=Chips", "?limit=0", "?limit=101", "?page=2", "?sort=chips&sort=chips",
        "?cursor=x", "?cursor=%C3%A4", "?cursor=AAAA",
        "?sort=chips&cursor=" + cursor_of(f"earnings:1|{UUID(int=7)}"),
        "?cursor=" + cursor_of(f"earnings:{2**63}|{UUID(int=7)}"),
        "?cursor=" + cursor_of(f"earnings:{'9' * 120}|{UUID(int=7)}"),
        "?cursor=" + cursor_of(f"earnings:1.5|{UUID(int=7)}"),
        "?cursor=" + cursor_of(f"earnings: 1|{UUID(int=7)}"),
        "?cursor=" + cursor_of("earnings:1|me"),
        "?cursor=" + cursor_of(f"2026-11-22T00:00:00+00:00|{UUID(int=7)}"),
    ],
)  # fmt: skip
def test_an_order_or_a_cursor_that_does_not_exist_is_refused(desk: FunctionClient, query: str) -> None:
    answer = desk.get(PATH + query)
    assert (answer.status, answer.problem) == (422, "not-valid")


@pytest.mark.usefixtures("database")
def test_a_cursor_of_a_negative_figure_is_good(desk: FunctionClient) -> None:
    assert desk.get(f"{PATH}?cursor={cursor_of(f'earnings:-5|{UUID(int=7)}')}").status == 200


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("identity", [str(UUID(int=0)), "nobody", "weeks2"])
def test_an_affiliate_whom_nobody_knows_is_not_found(desk: FunctionClient, identity: str) -> None:
    assert desk.get(f"{PATH}/{identity}").status == 404


@pytest.mark.usefixtures("database")
def test_a_path_that_is_written_out_is_no_affiliate(desk: FunctionClient) -> None:
    assert desk.get(f"{PATH}/weeks").body == {"items": [], "next_cursor": None}


def test_a_page_shows_what_the_affiliate_sees(client: Client, desk: FunctionClient, weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.earn(somebody, Usdt.of(100))
    weeks.scan(somebody, 4, clock.now())
    assert client(somebody.token).put("/v1/affiliate/referral-link", {"code": "ada-and-co"}).status == 200
    refresh()
    mine = client(somebody.token).get("/v1/affiliate/stats").body
    page = shown(desk, somebody)
    for name in ("earned_this_month", "earned_lifetime", "owed", "downline", "link_30_days", "permanent_tier", "as_of"):
        assert page[name] == mine[name], name
    assert (page["custom_codes"], page["is_affiliate"], page["downline"]["total"]) == (["ada-and-co"], True, 1)
    assert page["chips"] == {"active": 4, "waiting": 0, "vaulted": 0, "next_expiry_at": None, "by_scans": 4}


def test_a_page_has_vaulted_and_waiting_chips(desk: FunctionClient, sql: Connection) -> None:
    vaults, somebody, now = Vaults(sql), factories.member(), clock.now()
    vaults.run(now)
    numbers = vaults.scan(somebody, 5, now)
    vaults.flag(numbers[0])
    assert vaults.vault(somebody, 3, now) == ""
    refresh()
    chips = shown(desk, somebody)["chips"]
    assert (chips["active"], chips["waiting"], chips["vaulted"], chips["by_scans"]) == (1, 1, 3, 5)
    assert chips["next_expiry_at"] is not None


def test_a_page_has_awards_with_who_gave_them_and_payouts(client: Client, weeks: Weeks) -> None:
    first, second = (treasury_admin(client) for _ in range(2))
    somebody = factories.member(wallet=wallet())
    weeks.earn(somebody, Usdt.of(100))
    identity = given(first, somebody, 2_500)
    assert shown(second.client, somebody)["open_reviews"] == ["earnings"]
    agreement = {"reason": "Agreed with the owner", "totp": second.code()}
    assert second.client.post(f"{PATH}/earnings/{identity}/agree", agreement).status == 200
    small = given(first, somebody, 20)
    page = shown(second.client, somebody)
    assert [(row["id"], row["amount"], row["awarded_by"], row["agreed_by"]) for row in page["awards"]] == [
        (small, 20, name_of(first.somebody), None),
        (identity, 2_500, name_of(first.somebody), name_of(second.somebody)),
    ]
    assert (page["open_reviews"], page["payouts"]) == ([], [])
    weeks.scan(somebody)
    weeks.fill(Usdt.of(50))
    weeks.run()
    weeks.agree(factories.member(role=Role.TREASURY), factories.member(role=Role.TREASURY))
    weeks.run()
    (paid,) = shown(second.client, somebody)["payouts"]
    assert (paid["state"], paid["week_on"]) == ("requested", "2026-11-22")


def given(admin: TreasuryAdmin, somebody: Somebody, amount: int) -> str:
    """Give the affiliate an amount by hand; returns its id."""
    body = {"amount": amount, "reason": "For the launch in Reno", "totp": admin.code()}
    answer = admin.client.post(f"{PATH}/{somebody.id}/award", body)
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


def test_a_page_says_what_people_look_at(desk: FunctionClient, sql: Connection, weeks: Weeks) -> None:
    somebody = factories.member()
    assert shown(desk, somebody)["open_reviews"] == []
    (number,) = weeks.scan(somebody, 1, clock.now())
    weeks.flag(number)
    assert shown(desk, somebody)["open_reviews"] == ["scans"]
    sql.execute_unnamed(
        """
        INSERT INTO guarantee_reviews (id, member_id, score, signals, asked_at)
        VALUES (gen_random_uuid(), $1, 50, '["wallet"]', now())
        """,
        (somebody.id,),
    )
    assert shown(desk, somebody)["open_reviews"] == ["guarantee", "scans"]


def test_neither_tells_an_address_or_an_e_mail(desk: FunctionClient, weeks: Weeks) -> None:
    address = wallet()
    somebody = factories.member(wallet=address)
    weeks.earn(somebody, Usdt.of(100))
    refresh()
    told = json.dumps([listed(desk), shown(desk, somebody)])
    assert address not in told
    assert "@" not in told
