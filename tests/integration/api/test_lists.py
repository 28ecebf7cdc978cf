"""Every list of the contract: newest first, each row once however the pages are cut, and nobody else's rows.

The lists are read out of openapi.yaml: a new one fails here until tests/fakes/lists.py can fill it.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from emulators.contract import Operation
from shared.auth import Role
from shared.values.prizes import CompType
from tests import factories, openapi
from tests.client import FunctionClient
from tests.factories import NOW, Somebody
from tests.fakes.list_rows import device, trip_won
from tests.fakes.lists import LISTS, Item, ListCase
from tests.fakes.plain_rows import without_indexes

pytest_plugins = ["tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]

# In this order they are made: two have one time, and a page of two ends between them.
MOMENTS = (NOW + timedelta(minutes=1), NOW + timedelta(minutes=2), NOW + timedelta(minutes=1))
PAGING = {"limit", "cursor"}
CHOOSES_THE_LIST = {"period", "sort"}  # a parameter of which every value is a list of its own, with its own rows
ONE_PAGE = {
    "list_foreign_nonces",
    "list_devices",
    "list_sessions",
    "list_prizes",
    "list_destinations",
    "list_receipts",  # sorted by receipt: tests/integration/social/test_vote_closing.py
    "list_trips",
    "list_comp_rules",
    "list_treasury_pools",
    "list_products",
    "list_admin_products",
    "list_stock",
    "list_integrations",  # tests/integration/desk/test_integrations.py
    "list_built_in_mails",  # tests/integration/messages/test_replaced_mails.py
    "list_webhooks",  # tests/integration/webhooks/test_endpoints.py
    "list_account_webhooks",  # likewise
    "list_banks",  # tests/integration/banks/test_connecting.py
    "list_settings",  # tests/integration/desk/test_admin_settings.py
    "list_resale_certificates",  # tests/integration/wholesale/test_wholesale_certificates.py
    "list_wholesale_products",  # tests/integration/wholesale/test_wholesale_prices.py
}
PAGES_MAX = 10


@pytest.fixture(autouse=True)
def _no_order_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    without_indexes(monkeypatch)


def pages_of(operation: Operation) -> dict[str, Any] | None:
    """The schema of what the operation answers, if that is a page of a list."""
    said = contract.document()["paths"][operation.template][operation.method.lower()]
    content = said["responses"].get("200", {}).get("content", {}).get("application/json")
    schema = openapi.resolved(content["schema"]) if content else {}
    return schema if {"items", "next_cursor"} <= set(schema.get("properties", {})) else None


def parameters(operation: Operation) -> set[str]:
    """The names of its query parameters."""
    said = contract.document()["paths"][operation.template][operation.method.lower()]
    return {given["name"] for given in said.get("parameters", []) if given.get("in") == "query"}


def lists() -> dict[str, Operation]:
    return {found.operation_id: found for found in contract.operations() if pages_of(found)}


def operation_of(name: str) -> Operation:
    return lists()[name.partition("?")[0]]


def url(name: str, owner: Somebody, **query: str) -> str:
    """A list, with the filter that its name has; its path may name the reader."""
    fixed = name.partition("?")[2]
    asked = [f"{key}={value}" for key, value in query.items()]
    path = LISTS[name].path.format(owner=owner.id) or operation_of(name).template
    return f"{path}?{'&'.join(filter(None, [fixed, *asked]))}"


def reader(listed: ListCase) -> Somebody:
    return factories.member(role=listed.role)


def rows(listed: ListCase, owner: Somebody) -> list[str]:
    """Three rows of the owner's, and as many that are in another list or somebody else's; the order to be shown."""
    made: list[tuple[datetime, str]] = []
    for number, moment in enumerate(MOMENTS):
        if listed.beside:
            listed.beside(owner, moment, number)
        if listed.role is None and listed.mine:
            listed.make(factories.member(), moment, number + len(MOMENTS))
        shown = listed.make(owner, moment, number)
        made.append((moment if listed.ties else NOW, shown))
    return [shown for _, shown in sorted(made, reverse=True)]


def pages(client: FunctionClient, name: str, owner: Somebody, limit: int) -> Iterator[list[Item]]:
    """One after the other, until there is no next one."""
    cursor: Mapping[str, str] = {}
    for _ in range(PAGES_MAX):
        answer = client.get(url(name, owner, limit=str(limit), **cursor))
        assert answer.status == 200, answer.body
        yield answer.body["items"]
        if answer.body["next_cursor"] is None:
            return
        cursor = {"cursor": answer.body["next_cursor"]}
    raise AssertionError(f"{name} has no last page")


def test_every_list_of_the_contract_is_tried_here() -> None:
    paged = {name for name, operation in lists().items() if "cursor" in parameters(operation)}
    tried = {name.partition("?")[0] for name in LISTS}
    assert tried == paged, "tests/fakes/lists.py: say how to fill the list"
    assert set(lists()) - paged == ONE_PAGE, "say below in which order its one page is"
    assert len(paged) >= 18


@pytest.mark.parametrize("name", [name for name in LISTS if "?" not in name])
def test_every_filter_of_a_list_is_tried_here(name: str) -> None:
    wanted = parameters(operation_of(name)) - PAGING - CHOOSES_THE_LIST
    assert set(LISTS[name].filters) == wanted, "tests/fakes/lists.py: say what the filter finds"


@pytest.mark.parametrize("name", LISTS)
def test_it_is_newest_first_each_row_once_and_nobody_elses(name: str, client: Client) -> None:
    owner = reader(LISTS[name])
    expected = rows(LISTS[name], owner)

    found = [[item[LISTS[name].key] for item in page] for page in pages(client(owner.token), name, owner, 2)]

    assert found == [expected[:2], expected[2:]]


@pytest.mark.parametrize("name", LISTS)
def test_pages_of_one_row_are_in_the_same_order(name: str, client: Client) -> None:
    owner = reader(LISTS[name])
    expected = rows(LISTS[name], owner)

    found = [[item[LISTS[name].key] for item in page] for page in pages(client(owner.token), name, owner, 1)]

    assert found == [[row] for row in expected]


@pytest.mark.parametrize("name", LISTS)
def test_a_page_that_has_room_for_all_is_the_last(name: str, client: Client) -> None:
    owner = reader(LISTS[name])
    expected = rows(LISTS[name], owner)

    found = [[item[LISTS[name].key] for item in page] for page in pages(client(owner.token), name, owner, 3)]

    assert found == [expected]


@pytest.mark.parametrize(("name", "chosen"), [(name, chosen) for name, to in LISTS.items() for chosen in to.filters])
def test_a_filter_finds_what_it_says_and_nothing_else(name: str, chosen: str, client: Client) -> None:
    """Every value that a row has is asked for."""
    listed, owner = LISTS[name], reader(LISTS[name])
    rows(listed, owner)
    somebody_else = factories.member()
    if listed.role:
        listed.make(somebody_else, MOMENTS[0], len(MOMENTS))
    everything = client(owner.token).get(url(name, owner)).body["items"]
    told = listed.filters[chosen]
    values = {value for item in everything if (value := told.value(item)) is not None}
    assert len(values) >= 2, "rows that differ in what is filtered"

    for value in sorted(values):
        found = client(owner.token).get(url(name, owner, **{chosen: value})).body["items"]
        assert found == [item for item in everything if told.finds(item, value)], value


def test_devices_are_newest_first_and_the_members_own(client: Client) -> None:
    owner = factories.member()
    made = [device(owner, moment, number) for number, moment in enumerate(MOMENTS)]
    device(factories.member(), MOMENTS[0], 0)
    expected = [made[1], *sorted([made[0], made[2]])]
    body = client(owner.token).get("/v1/users/me/devices").body
    assert ([item["id"] for item in body["items"]], body["next_cursor"]) == (expected, None)


def test_sessions_are_those_that_live_the_one_used_last_first(client: Client, sql: Connection) -> None:
    owner, stranger = factories.member(), factories.member()
    desktop = factories.session_of(owner)
    mobile, admin = (factories.session(owner, kind) for kind in ("mobile", "admin"))
    factories.session(stranger, "mobile")
    for session, hours in ((desktop, 2), (mobile, 1), (admin, 3)):
        sql.execute_unnamed(
            "UPDATE sessions SET last_used_at = last_used_at - make_interval(hours => $1) WHERE id = $2",
            (hours, session),
        )
    mine = client(owner.token)
    listed = [item["id"] for item in mine.get("/v1/auth/sessions").body["items"]]
    assert listed == [str(session) for session in (mobile, desktop, admin)]
    sql.execute_unnamed("UPDATE sessions SET created_at = created_at - interval '12 hours' WHERE id = $1", (admin,))
    sql.execute_unnamed("UPDATE sessions SET ended_at = now(), end_reason = 'x' WHERE id = $1", (mobile,))
    assert [item["id"] for item in mine.get("/v1/auth/sessions").body["items"]] == [str(desktop)]


def test_trips_are_newest_first_and_the_members_own(client: Client) -> None:
    owner = factories.member()
    made = [(moment, trip_won(owner, moment, number)) for number, moment in enumerate(MOMENTS)]
    trip_won(factories.member(), MOMENTS[0], 0)
    body = client(owner.token).get("/v1/comps/trips").body
    assert [item["comp_id"] for item in body["items"]] == [trip for _, trip in sorted(made, reverse=True)]


def test_prizes_are_the_most_frequent_first(client: Client, sql: Connection) -> None:
    sql.execute_simple("UPDATE comp_rules SET interval = 500000 WHERE type = 'casino'")  # as the trip's
    items = client(factories.member().token).get("/v1/comps/prizes").body["items"]
    order = [kind.value for kind in CompType]
    assert [item["type"] for item in items] == [
        item["type"] for item in sorted(items, key=lambda item: (item["interval"], order.index(item["type"])))
    ]
    assert len(items) == 5


def test_rules_are_in_the_order_of_their_types(client: Client) -> None:
    items = client(factories.member(role=Role.OPERATIONS).token).get("/v1/admin/comp-rules").body["items"]
    assert [item["type"] for item in items] == [kind.value for kind in CompType if kind is not CompType.MANUAL]


@pytest.mark.usefixtures("two_nodes")
def test_treasuries_are_in_the_order_of_the_plan(client: Client) -> None:
    items = client(factories.member(role=Role.TREASURY).token).get("/v1/admin/treasury/pools").body["items"]
    assert [item["pool"] for item in items] == ["member", "affiliate", "wholesale", "shop"]
