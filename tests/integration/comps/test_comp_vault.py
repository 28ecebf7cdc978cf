"""The comp vault shows everything that was won, or only one kind of it; there are no orders before there is a shop."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pg8000.dbapi import Connection

from shared import db
from shared.comps import awards
from shared.comps.awards import Award
from shared.values.money import Usdt
from shared.values.prizes import CompType
from tests import factories
from tests.client import FunctionClient
from tests.factories import NOW, Somebody

Client = Callable[..., FunctionClient]


def vault(member: FunctionClient, query: str = "") -> list[dict[str, Any]]:
    return list(member.get(f"/v1/users/me/comps{query}").body["items"])


def win(somebody: Somebody, kind: CompType, amount: int, number: int) -> None:
    given = Award(somebody.id, kind, Usdt.of(amount), "manual", f"{somebody.id}:{number}", {})
    db.atomically(lambda tx: awards.award(tx, given, NOW + timedelta(minutes=number)))


def give_chips(sql: Connection, somebody: Somebody, count: int) -> None:
    sql.execute_unnamed(
        "INSERT INTO affiliate_chips (id, affiliate_id, kind, chips, scan_number, earned_at) "
        "SELECT gen_random_uuid(), $1, 'referral_scan', 1, number, "
        "CAST($3 AS timestamptz) FROM generate_series(1, CAST($2 AS integer)) AS number",  # in one moment
        (somebody.id, count, NOW),
    )


def test_each_filter_shows_its_kind(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    win(somebody, CompType.CRYPTO_100, 100, 1)
    win(somebody, CompType.NEW_MEMBER_GUARANTEE, 5, 2)
    win(somebody, CompType.CASINO, 3000, 3)
    factories.trip(somebody)
    give_chips(sql, somebody, 2)
    member = client(somebody.token)

    assert [item["type"] for item in vault(member, "?filter=crypto")] == [
        "casino", "new_member_guarantee", "crypto_100",
    ]  # fmt: skip
    assert [item["type"] for item in vault(member, "?filter=trips")] == ["trip"]
    chips = vault(member, "?filter=gold_chips")
    assert [(item["type"], item["chips"], item["amount"]) for item in chips] == [("gold_chips", 1, 0)] * 2
    assert {item["type"] for item in vault(member)} == {"casino", "new_member_guarantee", "crypto_100", "trip"}


def test_every_filter_is_read_page_by_page(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    for number in range(5):
        win(somebody, CompType.CRYPTO_100, 100, number)
    factories.trip(somebody)
    give_chips(sql, somebody, 5)
    member = client(somebody.token)
    for name in ("crypto", "gold_chips"):
        first = member.get(f"/v1/users/me/comps?filter={name}&limit=3").body
        second = member.get(f"/v1/users/me/comps?filter={name}&limit=3&cursor={first['next_cursor']}").body
        assert len({item["id"] for item in first["items"] + second["items"]}) == 5, name
        assert second["next_cursor"] is None


def test_what_others_have_won_is_not_shown(client: Client, sql: Connection) -> None:
    winner = factories.member()
    win(winner, CompType.CRYPTO_100, 100, 1)
    factories.trip(winner)
    give_chips(sql, winner, 1)
    other = client(factories.member().token)

    assert [vault(other, query) for query in ("", "?filter=crypto", "?filter=trips", "?filter=gold_chips")] == [[]] * 4


def test_an_unknown_filter_is_refused(client: Client) -> None:
    assert client(factories.member().token).get("/v1/users/me/comps?filter=cars").problem == "not-valid"


def test_there_are_no_orders_before_there_is_a_shop(client: Client) -> None:
    member = client(factories.member().token)

    assert member.get("/v1/users/me/orders").body == {"items": [], "next_cursor": None}
    assert member.get("/v1/users/me/orders?cursor=nonsense").problem == "not-valid"
