"""Clicks on referral links are counted by code and day: those of people, within limits, and nobody learns of it."""

from collections.abc import Callable
from datetime import date

import pytest
from pg8000.dbapi import Connection

from shared import clock
from shared.affiliates import links
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

Client = Callable[..., FunctionClient]

CLICKS = "/v1/affiliate/clicks"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


def name_of(somebody: Somebody) -> str:
    return somebody.email.partition("@")[0]


def click(client: Client, code: str, agent: str = PHONE, address: str = "203.0.113.9") -> Answer:
    visitor = client()
    visitor.headers |= {"User-Agent": agent}
    visitor.address = address
    answer = visitor.post(CLICKS, {"code": code})
    assert (answer.status, answer.body) == (204, None), answer.body
    return answer


def counted(sql: Connection) -> dict[str, int]:
    return dict(sql.execute_simple("SELECT code, clicks FROM referral_clicks").rows)


def test_clicks_are_counted_by_code_and_day(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    name = name_of(somebody)
    assert client(somebody.token).put("/v1/affiliate/referral-link", {"code": "ada-and-co"}).status == 200
    for code in (name, name.upper(), f"https://blakjaks.com/r/{name}", "ada-and-co", f" {name} "):
        click(client, code)
    assert counted(sql) == {name: 4, "ada-and-co": 1}
    days = sql.execute_simple("SELECT DISTINCT member_id, day FROM referral_clicks").rows
    assert days == [[somebody.id, clock.now().date()]]


def test_a_former_username_counts_for_who_had_it(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    sql.execute_unnamed("INSERT INTO former_usernames VALUES ('old_ada', $1, now())", (somebody.id,))
    click(client, "old_ada")
    assert counted(sql) == {"old_ada": 1}


@pytest.mark.parametrize(
    "code",
    ["", "a", "ab", "nobody_here", "x" * 200, "\u0430da_l", "ada\u2019s", "\u200d" * 9, "' OR 1=1 --", "/r/", "🂡"],
)
def test_the_answer_is_the_same_for_a_code_of_nobodys_and_nothing_is_stored(
    code: str, client: Client, sql: Connection
) -> None:
    click(client, code)
    assert counted(sql) == {}


def test_full_width_letters_and_other_dashes_are_what_they_look_like(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    assert client(somebody.token).put("/v1/affiliate/referral-link", {"code": "ada-and-co"}).status == 200
    click(client, "\uff41\uff44\uff41\u2011and\u2013co")
    assert counted(sql) == {"ada-and-co": 1}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "body", [{}, {"code": 7}, {"code": None}, {"code": "x" * 201}, {"code": "ada", "day": "x"}, []]
)
def test_what_is_no_click_is_refused(body: object, client: Client) -> None:
    assert client().post(CLICKS, body).problem == "not-valid"


@pytest.mark.parametrize(
    "agent",
    ["", "  ", "Googlebot/2.1 (+http://www.google.com/bot.html)", "facebookexternalhit/1.1", "WhatsApp/2.23.20 A",
     "TelegramBot (like TwitterBot)", "curl/8.5.0", "python-requests/2.32", "Slackbot-LinkExpanding 1.0",
     "Mozilla/5.0 (compatible; bingbot/2.0)", "Go-http-client/2.0", "Mozilla/5.0 HeadlessChrome/130.0"],
)  # fmt: skip
def test_programs_are_not_counted(agent: str, client: Client, sql: Connection) -> None:
    click(client, name_of(factories.member()), agent)
    assert counted(sql) == {}


@pytest.mark.parametrize(
    "agent",
    [PHONE, "Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/130.0 Mobile Safari/537.36", "BlakJaks/3.2 (iOS 18)",
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/132.0"],
)  # fmt: skip
def test_people_are_counted(agent: str, client: Client, sql: Connection) -> None:
    click(client, name_of(factories.member()), agent)
    assert list(counted(sql).values()) == [1]


def test_a_network_counts_so_often_for_a_member_and_no_more(
    client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LINK_CLICKS_MAX", 2)
    monkeypatch.setattr(links, "NETWORK_CLICKS_MAX", 4)
    first, second = factories.member(), factories.member()
    for _ in range(3):
        click(client, name_of(first))
    assert counted(sql) == {name_of(first): 2}
    for _ in range(3):
        click(client, name_of(second))
    assert counted(sql) == {name_of(first): 2, name_of(second): 1}
    click(client, name_of(first), address="198.51.100.7")
    assert counted(sql)[name_of(first)] == 3


def test_clicks_on_a_suspended_members_links_are_not_counted(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    sql.execute_simple("UPDATE members SET status = 'suspended'")
    click(client, name_of(somebody))
    assert counted(sql) == {}


def test_a_link_that_is_followed_is_counted(client: Client, sql: Connection) -> None:
    name = name_of(factories.member())
    visitor = client()
    visitor.headers |= {"User-Agent": PHONE}
    assert visitor.get(f"/r/{name}").status == 302
    visitor.headers |= {"User-Agent": "Twitterbot/1.0"}
    assert visitor.get(f"/r/{name}").status == 302
    assert visitor.get("/r/nobody").status == 302
    assert counted(sql) == {name: 1}


def test_stored_clicks_are_of_a_real_code(sql: Connection) -> None:
    somebody = factories.member()
    for code, clicks in (("ADA", 1), ("ab", 1), ("x" * 31, 1), ("ada", 0)):
        with pytest.raises(Exception, match="check constraint"):
            sql.execute_unnamed(
                "INSERT INTO referral_clicks VALUES ($1, $2, $3, $4)", (somebody.id, date(2026, 11, 1), code, clicks)
            )
