"""A top-up is asked for by one, approved by two others and then handed out for signing, as it was quoted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from shared.ports import stargate
from shared.values import stargate as calls
from tests.client import FunctionClient
from tests.fakes.bridge import FEE_WEI, ROUTE, WALLET, FakeSource, new_hash
from tests.fakes.nodes import FakeNodes
from tests.fakes.top_up_driver import PATH, approve, ask, cancel, follow, prepare, prepared
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin

pytest_plugins = ["tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]
HASH = "0x" + "5c" * 32


@pytest.fixture
def people(client: Client, two_nodes: FakeNodes) -> list[TreasuryAdmin]:
    """One who asks, and two others."""
    assert two_nodes
    return [treasury_admin(client) for _ in range(3)]


def test_it_is_handed_out_when_two_others_have_approved(people: list[TreasuryAdmin]) -> None:
    asks, second, third = people
    made = ask(asks)
    assert (made.status, made.body["state"], made.body["quoted"], made.body["minimum"]) == (
        201,
        "requested",
        999,
        994.005,
    )
    top_up = made.body["id"]
    assert prepare(asks, top_up).problem == "top-up-not-approved"
    assert approve(asks, top_up).problem == "approval-of-own-request"
    assert approve(second, top_up).body["approvals_given"] == 1
    assert approve(second, top_up).problem == "approved-before"
    assert approve(third, top_up).body["approvals_given"] == 2

    shown = prepare(asks, top_up).body

    assert (shown["state"], [it["purpose"] for it in shown["transactions"]]) == ("prepared", ["approve", "send"])
    allow, send = shown["transactions"]
    assert (allow["to_address"], allow["chain_id"], allow["value_wei"]) == (ROUTE.stargate_usdt, 1, "0")
    assert (send["to_address"], send["value_wei"]) == (ROUTE.stargate_contract, str(FEE_WEI * 120 // 100))
    terms = calls.SendTerms(ROUTE.stargate_home_eid, shown["to_address"], 1_000_000_000, 994_005_000)
    assert calls.is_send(send["data"], terms, WALLET)
    assert approve(third, top_up).problem == "top-up-not-waiting"


def test_an_old_allowance_is_set_to_nothing_first(client: Client, source: FakeSource, two_nodes: FakeNodes) -> None:
    assert two_nodes
    admin, body = prepared(client)
    source.allowance = 7
    steps = prepare(admin, body["id"]).body["transactions"]
    assert [it["purpose"] for it in steps] == ["reset", "approve", "send"]
    source.allowance = 1_000_000_000
    assert [it["purpose"] for it in prepare(admin, body["id"]).body["transactions"]] == ["send"]


def test_an_approval_of_whoever_has_lost_the_role_does_not_count(people: list[TreasuryAdmin], sql: Any) -> None:
    asks, second, third = people
    top_up = ask(asks).body["id"]
    for other in (second, third):
        approve(other, top_up)
    sql.execute_unnamed("UPDATE members SET role = NULL WHERE id = $1", (third.somebody.id,))
    assert prepare(asks, top_up).problem == "top-up-not-approved"


def test_the_schema_refuses_what_two_others_have_not_approved(people: list[TreasuryAdmin], sql: Any) -> None:
    top_up = ask(people[0]).body["id"]
    with pytest.raises(Exception, match="waits for two people"):
        sql.execute_simple("UPDATE top_ups SET state = 'prepared', transactions = '[{}]'")
    for change in ("amount = 1", "to_address = source_address", "minimum = 1"):
        with pytest.raises(Exception, match="stays what it is"):
            sql.execute_simple(f"UPDATE top_ups SET {change}")
    with pytest.raises(Exception, match="does not go from requested to arrived"):
        sql.execute_simple("UPDATE top_ups SET state = 'arrived'")
    assert people[0].client.get(f"{PATH}/{top_up}").body["state"] == "requested"


def test_a_fee_that_has_risen_is_handed_out_and_a_worse_quote_is_not(
    client: Client, source: FakeSource, two_nodes: FakeNodes
) -> None:
    assert two_nodes
    admin, body = prepared(client)
    source.fee_wei = 2 * FEE_WEI
    assert prepare(admin, body["id"]).body["fee_wei"] == str(2 * FEE_WEI * 120 // 100)
    source.quoted = 994_004_999
    refused = prepare(admin, body["id"])
    assert (refused.problem, refused.body["minimum"]) == ("top-up-below-minimum", 994.005)


BAD_CHAINS: dict[str, tuple[Callable[[FakeSource], None], int, str]] = {
    "a node is silent": (lambda it: setattr(it.one, "silent", True), 503, "chain-not-readable"),
    "another chain": (lambda it: setattr(it, "chain_id", 137), 503, "chain-not-readable"),
    "another token": (lambda it: setattr(it, "token", WALLET), 503, "chain-not-readable"),
    "an absurd amount": (lambda it: setattr(it, "quoted", 2**200), 503, "chain-not-readable"),
    "it would revert": (lambda it: setattr(it, "refuses", True), 409, "top-up-not-quoted"),
    "more than it takes": (lambda it: setattr(it, "most", 999_999_999), 409, "top-up-not-quoted"),
    "nothing would arrive": (lambda it: setattr(it, "quoted", 0), 409, "top-up-not-quoted"),
}


@pytest.mark.parametrize("case", BAD_CHAINS)
def test_nothing_is_asked_for_without_a_good_quote(
    case: str, people: list[TreasuryAdmin], source: FakeSource, sql: Any
) -> None:
    spoil, status, problem = BAD_CHAINS[case]
    spoil(source)
    refused = ask(people[0])
    assert (refused.status, refused.problem) == (status, problem)
    assert sql.execute_simple("SELECT count(*) FROM top_ups").rows == [[0]]


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"amount": 0}, "transfer-amount-not-positive"),
        ({"source_address": WALLET.lower()}, "transfer-address-mistyped"),
        ({"pool": "shop"}, "not-valid"),
    ],
)
def test_bad_terms_are_refused(other: dict[str, Any], problem: str, people: list[TreasuryAdmin]) -> None:
    assert ask(people[0], **other).problem == problem


def test_without_a_source_chain_nobody_tops_up(people: list[TreasuryAdmin], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stargate, "connect", lambda: None)
    refused = ask(people[0])
    assert (refused.status, refused.problem) == (409, "top-ups-not-configured")
    assert people[0].client.get(PATH).body == {"items": [], "next_cursor": None}


def test_the_hash_may_be_corrected_and_is_one_top_ups_alone(client: Client, two_nodes: FakeNodes) -> None:
    assert two_nodes
    (admin, one), (_, other) = prepared(client), prepared(client)
    assert follow(admin, one["id"], HASH).body["transaction_hash"] == HASH
    assert follow(admin, other["id"], HASH).problem == "transaction-used"
    assert follow(admin, one["id"], HASH[:-1] + "d").status == 200
    assert follow(admin, other["id"], HASH).status == 200


def test_it_is_cancelled_until_its_transaction_is_followed(client: Client, two_nodes: FakeNodes) -> None:
    assert two_nodes
    (admin, one), (_, other) = prepared(client), prepared(client)
    assert [cancel(admin, one["id"]).body["state"] for _ in range(2)] == ["cancelled"] * 2
    assert follow(admin, one["id"], HASH).problem == "top-up-not-waiting"
    assert prepare(admin, one["id"]).problem == "top-up-not-waiting"
    assert follow(admin, other["id"], HASH).status == 200
    assert cancel(admin, other["id"]).problem == "top-up-not-waiting"


def test_of_a_cancellation_and_a_hash_at_once_one_is_refused(client: Client, two_nodes: FakeNodes) -> None:
    assert two_nodes
    for _ in range(3):
        admin, body = prepared(client)
        acts = [partial(cancel, admin, body["id"]), partial(follow, admin, body["id"], new_hash())]
        with ThreadPoolExecutor(len(acts)) as threads:
            answers = list(threads.map(lambda act: act(), acts))
        assert sorted(it.status for it in answers) == [200, 409], [it.body for it in answers]
