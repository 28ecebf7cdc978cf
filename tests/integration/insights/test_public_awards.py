"""Anybody reads what was decided about each number that could win: the facts, and nothing of who won."""

import base64
from collections.abc import Callable
from uuid import UUID

from pg8000.dbapi import Connection

from shared.web.paging import Rank
from tests.client import FunctionClient, refusal
from tests.fakes import public_rows

Client = Callable[..., FunctionClient]


def test_a_number_that_won_is_shown_with_its_payment(client: Client, sql: Connection) -> None:
    public_rows.milestone(sql, 500, won=True)

    (award,) = client().get("/v1/insights/awards").body["items"]

    assert (award["number"], award["prize"], award["awarded"], award["code"]) == (500, "crypto_100", True, "won")
    assert (award["amount"], award["state"], award["transaction_hash"]) == (100.0, "paid", public_rows.HASH)
    assert award["explorer_url"].endswith(f"/tx/{public_rows.HASH}")
    assert award["paid_at"]


def test_a_number_that_did_not_win_says_why(client: Client, sql: Connection) -> None:
    public_rows.milestone(sql, 7_500, won=False, kind="crypto_1k")

    (award,) = client().get("/v1/insights/awards").body["items"]

    assert (award["awarded"], award["code"], award["params"]) == (False, "prize_locked", {"needed": 50_000})
    assert (award["reason"], award["tins_per_month"]) == ("locked until 50,000 tins per month", 12_000)
    assert (award["amount"], award["state"], award["transaction_hash"], award["explorer_url"]) == (None,) * 4


def test_nothing_tells_who_it_was_or_that_people_look_at_it(client: Client, sql: Connection) -> None:
    public_rows.milestone(sql, 500, won=True, status="in_review")
    public_rows.milestone(sql, 1_000, won=True, status="cancelled")

    items = client().get("/v1/insights/awards").body["items"]

    assert [award["state"] for award in items] == ["cancelled", "pending"]
    known = {"id", "number", "prize", "awarded", "reason", "code", "params", "tins_per_month", "reached_at", "amount",
             "state", "paid_at", "transaction_hash", "explorer_url"}  # fmt: skip
    assert all(set(award) == known for award in items)
    assert "fraud" not in str(items)


def test_one_number_has_all_its_prizes(client: Client, sql: Connection) -> None:
    for kind in ("crypto_100", "crypto_1k"):
        public_rows.milestone(sql, 7_500, won=kind == "crypto_1k", kind=kind)
    public_rows.milestone(sql, 8_000, won=True)
    public_rows.milestone(sql, 7_000, won=True)

    body = client().get("/v1/insights/awards/7500").body

    assert body["number"] == 7_500
    assert [(award["prize"], award["awarded"]) for award in body["items"]] == [
        ("crypto_1k", True),
        ("crypto_100", False),
    ]


def test_a_number_without_a_prize_has_none(client: Client, sql: Connection) -> None:
    public_rows.milestone(sql, 500, won=True)

    assert client().get("/v1/insights/awards/499").body == {"number": 499, "items": []}
    assert client().get("/v1/insights/awards/999999999999999999").body["items"] == []


def test_what_is_no_number_is_not_there(client: Client) -> None:
    for text in ("0", "007", "-1", "1.5", "ten", "1000000000000000000"):
        assert refusal(client().get(f"/v1/insights/awards/{text}")) == (404, "not-found"), text


def test_a_cursor_that_names_no_prize_is_refused(client: Client) -> None:
    rank = Rank("number", 500, UUID(int=99))
    cursor = base64.urlsafe_b64encode(rank.text().encode()).decode().rstrip("=")
    assert refusal(client().get(f"/v1/insights/awards?cursor={cursor}")) == (422, "not-valid")
