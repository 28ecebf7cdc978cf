"""A deposit of no order is for people: they assign it to one that waits, or two others let it go back."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.treasury_admins import EXCHANGE as RECIPIENT
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.fakes.usdt_driver import EXCHANGE, MICRO, UsdtDriver, micro, wanted

pytest_plugins = ["tests.fakes.usdt_plugin"]

PATH = "/v1/admin/deposits"


@pytest.fixture
def people(client: Callable[..., FunctionClient]) -> list[TreasuryAdmin]:
    """One who looks, and two others."""
    return [treasury_admin(client) for _ in range(3)]


def unmatched(usdt: UsdtDriver, amount: int = 7 * MICRO) -> str:
    """A deposit that belongs to no order; returns its id."""
    usdt.send(amount, EXCHANGE)
    usdt.watch()
    return str(usdt.one("SELECT id FROM usdt_deposits WHERE payment_id IS NULL"))


def assign(admin: TreasuryAdmin, deposit: str, order: object) -> Answer:
    body = {"order_id": str(order), "reason": "the buyer has shown the receipt"}
    return admin.client.post(f"{PATH}/{deposit}/assign", body)


def send_back(admin: TreasuryAdmin, deposit: str) -> Answer:
    body = {"to_address": RECIPIENT, "reason": "the sender has asked for it", "totp": admin.code()}
    return admin.client.post(f"{PATH}/{deposit}/return", body, **{"Idempotency-Key": str(uuid4())})


def test_it_is_listed_and_its_admins_are_told(usdt: UsdtDriver, people: list[TreasuryAdmin]) -> None:
    deposit = unmatched(usdt)

    (item,) = people[0].client.get(PATH).body["items"]

    assert (item["id"], item["amount"], item["sender"], item["order_id"]) == (deposit, 7, EXCHANGE, None)
    assert usdt.one("SELECT count(*) FROM mails WHERE template = 'treasury_notice'") == len(people)


def test_assigned_to_an_order_that_waits_it_pays_that(usdt: UsdtDriver, people: list[TreasuryAdmin]) -> None:
    order = usdt.order()
    deposit = unmatched(usdt, wanted(order) - 1)

    answer = assign(people[0], deposit, order["id"])
    usdt.deliver()

    assert (answer.status, answer.body["order_id"]) == (200, order["id"])
    assert usdt.seen(order)["status"] == "confirmed"
    assert people[0].client.get(PATH).body["items"] == []
    assert usdt.one("SELECT count(*) FROM audit_logs WHERE action = 'deposit.assign'") == 1
    assert assign(people[0], deposit, usdt.order()["id"]).problem == "deposit-used"


def test_it_is_assigned_to_nothing_that_does_not_wait(usdt: UsdtDriver, people: list[TreasuryAdmin]) -> None:
    order = usdt.order()
    deposit = unmatched(usdt)
    usdt.send(wanted(order))
    usdt.watch()

    for other in (order["id"], uuid4()):
        assert assign(people[0], deposit, other).problem == "order-awaits-nothing"
    assert assign(people[0], str(uuid4()), order["id"]).problem == "not-found"


def test_two_others_let_it_go_back(usdt: UsdtDriver, people: list[TreasuryAdmin]) -> None:
    deposit = unmatched(usdt)

    asked = send_back(people[0], deposit)
    listed = people[0].client.get(PATH).body["items"]
    for other in people[1:]:
        assert other.approve(asked.body["id"]).status == 200
    usdt.payouts.try_to_send(UUID(asked.body["id"]))

    assert (asked.status, asked.body["pool"], asked.body["amount"]) == (201, "shop", 7)
    assert (listed, usdt.pay_out()) == ([], [(RECIPIENT, 7 * MICRO)])
    assert usdt.books() == {"external:shop": -7 * MICRO, "paid:shop": 7 * MICRO}
    assert send_back(people[0], deposit).problem == "deposit-used"


def test_a_return_that_is_cancelled_leaves_it_as_it_was(usdt: UsdtDriver, people: list[TreasuryAdmin]) -> None:
    order = usdt.order()
    deposit = unmatched(usdt, micro(order["total"]) + 5_000)
    asked = send_back(people[0], deposit).body["id"]

    refused = assign(people[0], deposit, order["id"])
    people[1].client.post(f"/v1/admin/treasury/transfers/{asked}/cancel", {"reason": "it is the buyer's"})
    taken = assign(people[0], deposit, order["id"])

    assert (refused.problem, taken.status) == ("deposit-used", 200)


def test_nobody_assigns_to_an_order_of_their_own(usdt: UsdtDriver, people: list[TreasuryAdmin]) -> None:
    order = usdt.order()
    deposit = unmatched(usdt)
    wallet = usdt.one(f"SELECT wallet_address FROM members WHERE id = '{usdt.buyer.who.id}'")
    usdt.sql.execute_unnamed(
        "INSERT INTO member_wallets (member_id, address, since) VALUES ($1, lower($2), now()) ON CONFLICT DO NOTHING",
        (people[0].somebody.id, wallet),
    )

    assert assign(people[0], deposit, order["id"]).problem == "own-interest"


def test_other_roles_see_nothing(usdt: UsdtDriver, client: Callable[..., FunctionClient]) -> None:
    assert usdt
    for role in (Role.SUPPORT, Role.OPERATIONS):
        assert client(factories.member(role=role).token).get(PATH).status == 403
