"""Members see the prizes: which are locked, how far they are, what is in them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.email_send import templates
from shared import db
from shared.comps import awards
from shared.comps.awards import Award
from shared.values.money import Usdt
from shared.values.prizes import CompType
from tests import factories
from tests.client import FunctionClient
from tests.fakes.comp_records import award_trip

Client = Callable[..., FunctionClient]


def prizes(client: Client) -> dict[str, dict[str, Any]]:
    items = client(factories.member().token).get("/v1/comps/prizes").body["items"]
    return {item["type"]: item for item in items}


def sell(sql: Connection, tins: int) -> None:
    sql.execute_unnamed("UPDATE sales_volume SET tins_per_month = $1", (tins,))


def test_a_locked_prize_tells_how_far_it_is(client: Client, sql: Connection) -> None:
    sell(sql, 12_847)
    found = prizes(client)
    assert list(found) == ["crypto_100", "crypto_1k", "casino", "crypto_10k", "trip"]
    big = found["crypto_10k"]
    assert (big["unlocked"], big["percent"]) == (False, 25)
    assert big["progress_text"] == "12,847 / 50,000 tins/month average"
    assert big["message"] == "Unlock $10K comps at 50,000 tins/month"
    assert [found[name]["unlocked"] for name in ("crypto_100", "crypto_1k", "casino", "trip")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert found["crypto_1k"]["progress_text"] is None


def test_the_next_number_is_the_one_after_the_count(client: Client) -> None:
    for counter, following in ((0, 500), (499, 500), (500, 1_000)):
        factories.set_scan_counter(counter)
        assert prizes(client)["crypto_100"]["next_number"] == following


def test_an_admins_unlock_shows(client: Client, sql: Connection) -> None:
    sql.execute_simple("UPDATE comp_rules SET unlocked_by_admin = true WHERE type = 'crypto_10k'")
    found = prizes(client)["crypto_10k"]
    assert (found["unlocked"], found["percent"], found["message"]) == (True, 100, None)


def test_each_trip_of_a_month_needs_another_half_million_tins(client: Client, sql: Connection) -> None:
    sell(sql, 1_000_000)
    assert (prizes(client)["trip"]["unlocked"], prizes(client)["trip"]["trips_left"]) == (True, 2)
    award_trip(factories.member())
    award_trip(factories.member())
    found = prizes(client)["trip"]
    assert (found["unlocked"], found["trips_left"]) == (False, 0)
    assert found["progress_text"] == "1,000,000 / 1,500,000 tins/month average"


def test_the_casino_package_names_what_is_in_it(client: Client) -> None:
    package = prizes(client)["casino"]["package"]
    assert package == [
        "2-night Bellagio suite", "$1,000 USDT free play", "$500 dining credit", "VIP host services", "Spa access",
        "Airfare reimbursement up to $1,000",
    ]  # fmt: skip
    assert prizes(client)["crypto_100"]["package"] is None


@pytest.mark.parametrize("in_review", [False, True])
def test_who_wins_it_gets_a_mail_with_instructions_once_nothing_stands_between(
    sql: Connection,
    in_review: bool,
) -> None:
    winner = factories.member()
    given = Award(winner.id, CompType.CASINO, Usdt.of(1_000), "manual", "x", {}, needs_review=in_review)
    comp_id = db.atomically(lambda tx: awards.award(tx, given, datetime.now(UTC)))
    assert comp_id
    before = sql.execute_simple("SELECT count(*) FROM mails").rows
    assert before == [[0 if in_review else 1]]
    for _ in range(2):
        db.atomically(lambda tx: awards.release(tx, comp_id, datetime.now(UTC)))
    ((to, template, parameters),) = sql.execute_simple("SELECT to_email, template, parameters FROM mails").rows
    assert (to, template) == (winner.email, "casino_won")
    text = templates.render(template, parameters, "en").text
    for part in ("2-night Bellagio suite", "$1,000 USDT free play", "about $5,000", str(comp_id)):
        assert part in text
