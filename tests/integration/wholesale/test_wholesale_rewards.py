"""Sent orders bring chips and milestones; people award comps, which are paid from the wholesale pool to the wallet."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from shared import clock, db
from shared.auth import Role
from shared.db import ConstraintViolated, Tx
from shared.orders import tasks
from shared.orders.refunds import RefundReason
from tests import factories
from tests.client import Answer, Client, refusal
from tests.fakes import order_rows, parcel_views
from tests.fakes.asked_refunds import refund_tins
from tests.fakes.order_admins import order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.shop_client import MINT
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.wholesale_buyer import WholesaleBuyer, wholesale_buyer

pytest_plugins = ["tests.fakes.wholesale_order_plugin", "tests.fakes.payout_plugin"]

WALLET = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
MANY = 20_000


@pytest.fixture
def rich(client: Client, sql: Connection, trade: WholesaleBuyer) -> WholesaleBuyer:
    """An account whose member has linked a wallet, with many tins in the warehouse."""
    assert trade
    order_rows.counted(MANY, at=clock.now() + timedelta(seconds=2))
    sql.execute_simple(
        """UPDATE settings SET value = '{"invoice_days": 7, "unpaid_max": 100000}' WHERE name = 'wholesale_orders'"""
    )
    return wholesale_buyer(client, sql, somebody=factories.member(wallet=WALLET))


def paid(buyer: WholesaleBuyer, orders: OrderDriver, tins: int) -> UUID:
    buyer.certify()
    order_id = buyer.ordered(tins, card="ok")
    orders.deliver()
    return order_id


def sent(buyer: WholesaleBuyer, orders: OrderDriver, vendors: Vendors, tins: int) -> UUID:
    """An order that the warehouse has sent."""
    order_id = paid(buyer, orders, tins)
    ship(order_id, orders, vendors)
    return order_id


def ship(order_id: UUID, orders: OrderDriver, vendors: Vendors) -> None:
    """Have the warehouse send the order, and hear of it."""
    fulfilment = db.atomically(
        lambda tx: tx.scalar(UUID, "SELECT id FROM fulfilments WHERE order_id = :id", id=order_id)
    )
    vendors.warehouse.ship(str(fulfilment))
    db.atomically(tasks.fulfil_soon, fulfilment, clock.now())
    orders.deliver()


def chips(sql: Connection) -> list[list[int]]:
    return [list(row) for row in sql.execute_simple("SELECT chips FROM wholesale_chips ORDER BY earned_at, chips").rows]


def status(sql: Connection, buyer: WholesaleBuyer) -> tuple[str, bool]:
    query = "SELECT status, activated_at IS NOT NULL FROM wholesale_accounts WHERE id = $1"
    ((found, activated),) = sql.execute_unnamed(query, (buyer.account,)).rows
    return found, activated


def award(buyer: WholesaleBuyer, code: str, amount: float = 1000, **said: object) -> Answer:
    body = {"amount": amount, "reason": "A good year", "totp": code} | said
    path = f"/v1/admin/wholesale/{buyer.account}/comps"
    return buyer.staff.post(path, body, **{"Idempotency-Key": str(uuid4())})


@pytest.fixture
def operator(client: Client, rich: WholesaleBuyer) -> WholesaleBuyer:
    """The account with an operations admin who has an authenticator app, as `treasurer` and `staff`."""
    admin = treasury_admin(client, Role.OPERATIONS)
    return replace(rich, staff=admin.client, treasurer=admin)


def test_tins_that_have_left_are_counted_as_wholesale(
    rich: WholesaleBuyer, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    order_id = sent(rich, orders, shop_vendors, 300)
    refund_tins(order_id, {MINT: 1}, RefundReason.FAULTY)

    assert orders.invoker.schedule("sales_count", "sweep") == 204

    counted = sql.execute_simple("SELECT source, tins FROM tins_sold_daily").rows
    assert [list(row) for row in counted] == [["wholesale", 299]]


def test_the_first_order_that_is_sent_makes_the_account_active_and_gives_a_chip_for_each_tin(
    rich: WholesaleBuyer, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    order_id = paid(rich, orders, 300)
    assert status(sql, rich) == ("approved", False)
    assert chips(sql) == []

    ship(order_id, orders, shop_vendors)

    assert status(sql, rich) == ("active", True)
    assert chips(sql) == [[300]]
    orders.pass_time(5)
    assert chips(sql) == [[300]], "once per order"


def test_an_order_that_people_send_by_hand_brings_its_chips_with_the_last_parcel(
    rich: WholesaleBuyer, client: Client, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    order_id, admin = paid(rich, orders, 300), order_admin(client)
    parcel_views.refused(orders, shop_vendors.warehouse, order_id)

    assert admin.ship(order_id, tins={MINT: 100}).body["status"] == "fulfilled"
    assert chips(sql) == []
    assert admin.ship(order_id).body["status"] == "shipped"

    assert (chips(sql), status(sql, rich)) == ([[300]], ("active", True))


def test_a_cancelled_order_brings_nothing(rich: WholesaleBuyer, orders: OrderDriver, sql: Connection) -> None:
    order_id = paid(rich, orders, 300)
    rich.cancel(order_id)
    orders.pass_time(2)
    assert (chips(sql), status(sql, rich)) == ([], ("approved", False))


def test_tins_that_are_refunded_take_their_chips_back(
    rich: WholesaleBuyer, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    order_id = sent(rich, orders, shop_vendors, 300)
    refund_tins(order_id, {MINT: 120}, RefundReason.FAULTY)
    assert sql.execute_simple("SELECT sum(chips) FROM wholesale_chips").rows == [[180]]
    refund_tins(order_id, {MINT: 180}, RefundReason.FAULTY)
    assert sql.execute_simple("SELECT sum(chips) FROM wholesale_chips").rows == [[0]]


def test_a_passed_threshold_is_a_milestone_once(
    rich: WholesaleBuyer, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    sent(rich, orders, shop_vendors, 4900)
    assert sql.execute_simple("SELECT count(*) FROM wholesale_milestones").rows == [[0]]
    sent(rich, orders, shop_vendors, 5200)
    reached = "SELECT chips, value FROM wholesale_milestones ORDER BY chips"
    assert sql.execute_simple(reached).rows == [[5000, 1_000_000_000], [10000, 5_000_000_000]]
    sent(rich, orders, shop_vendors, 100)
    assert len(sql.execute_simple(reached).rows) == 2


def test_the_account_shows_what_it_has_earned(rich: WholesaleBuyer, orders: OrderDriver, shop_vendors: Vendors) -> None:
    order_id = sent(rich, orders, shop_vendors, 5000)
    account = rich.member.get("/v1/wholesale/account").body
    assert account["status"] == "active"
    assert account["totals"] == {"orders": 1, "tins": 5000, "spent": 10500, "chips": 5000}
    assert [(step["chips"], step["value"], step["reached_at"] is not None) for step in account["milestones"]] == [
        (5000, 1000, True), (10000, 5000, False), (25000, 10000, False), (50000, 25000, False), (100000, 50000, False),
    ]  # fmt: skip
    (earned,) = rich.member.get("/v1/wholesale/chips").body["items"]
    assert (earned["chips"], earned["is_refund"], earned["order_id"]) == (5000, False, str(order_id))


def test_a_comp_for_a_milestone_is_paid_once_a_second_person_has_approved_it(
    client: Client,
    operator: WholesaleBuyer,
    orders: OrderDriver,
    shop_vendors: Vendors,
    payout_driver: PayoutDriver,
    sql: Connection,
) -> None:
    sent(operator, orders, shop_vendors, 5000)
    path = f"/v1/admin/wholesale/{operator.account}/rewards"
    (milestone,) = operator.staff.get(path).body["milestones"]
    code = operator.treasurer.code
    assert refusal(award(operator, code(), 1000.01, milestone_id=milestone["id"])) == (409, "comp-above-value")
    made = award(operator, code(), 1000, milestone_id=milestone["id"])
    assert made.status == 201, made.body
    again = award(operator, code(), 1, milestone_id=milestone["id"])
    assert refusal(again) == (409, "milestone-awarded")
    assert again.body["comp_id"] == made.body["id"]
    owed = "SELECT sum(balance) FROM ledger_balances WHERE account = 'owed:wholesale'"
    assert sql.execute_simple(owed).rows == [[1_000_000_000]]
    assert sql.execute_simple("SELECT code FROM notifications WHERE code LIKE 'wholesale%'").rows == [
        ["wholesale_comp_awarded"]
    ]
    assert sql.execute_simple("SELECT kind, text FROM feed_items").rows == [
        ["wholesale_comp_awarded", "A wholesale partner was awarded $1,000!"]
    ]

    ((payout_text, to),) = sql.execute_simple("SELECT id, recipient_address FROM payouts").rows
    payout = UUID(str(payout_text))
    payout_driver.try_to_send(payout)
    assert (payout_driver.state(payout), to) == ("HELD", WALLET)
    assert operator.treasurer.approve_payout(payout).status == 403, "whoever awards is no second person"
    treasurer = treasury_admin(client)
    assert treasurer.approve_payout(payout).status == 200
    ((signer,),) = sql.execute_simple("SELECT address FROM signers WHERE treasury = 'wholesale'").rows
    payout_driver.chain.mint(signer, 1_000_000_000)
    payout_driver.chain.mine()
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    assert sql.execute_simple(owed).rows == [[0]]
    (comp,) = operator.staff.get(path).body["comps"]
    assert comp["payout_state"] == "PAID"
    (seen,) = operator.member.get("/v1/wholesale/account").body["comps"]
    assert (seen["amount"], seen["status"], seen["transaction_hash"]) == (1000, "paid", comp["transaction_hash"])


def test_a_comp_for_no_milestone_is_limited(operator: WholesaleBuyer) -> None:
    over = award(operator, operator.treasurer.code(), 10_000.01)
    assert refusal(over) == (409, "comp-above-value")
    assert over.body["maximum"] == 10_000
    assert award(operator, operator.treasurer.code(), 10_000).status == 201


def test_a_limit_that_was_lowered_a_moment_ago_is_told_as_it_is_now(operator: WholesaleBuyer, sql: Connection) -> None:
    """The schema reads the setting itself, and a function may remember it for some seconds."""
    assert award(operator, operator.treasurer.code(), 100).status == 201
    sql.execute_simple("UPDATE settings SET value = '500' WHERE name = 'wholesale_comp_max'")
    over = award(operator, operator.treasurer.code(), 600)
    assert refusal(over) == (409, "comp-above-value")
    assert over.body["maximum"] == 500


@pytest.mark.parametrize("amount", [0, -5, 0.5, 1.005, "1000", None])
def test_what_is_no_amount_of_a_comp_is_refused(operator: WholesaleBuyer, amount: object) -> None:
    body = {"amount": amount, "reason": "A good year", "totp": operator.treasurer.code()}
    path = f"/v1/admin/wholesale/{operator.account}/comps"
    assert operator.staff.post(path, body, **{"Idempotency-Key": "1"}).status == 422


def test_other_comps_are_refused(client: Client, operator: WholesaleBuyer, sql: Connection) -> None:
    code = operator.treasurer.code
    assert refusal(award(operator, code(), milestone_id=str(uuid4()))) == (404, "milestone-unknown")
    assert refusal(award(operator, "000000")) == (403, "second-factor-wrong")
    nobody = replace(operator, account=uuid4())
    assert refusal(award(nobody, code())) == (404, "not-found")
    poor = wholesale_buyer(client, sql)
    assert refusal(award(replace(operator, account=poor.account), code())) == (409, "no-wallet-to-pay")
    held = wholesale_buyer(client, sql, "approved", "suspended", somebody=factories.member(wallet="0x" + "5" * 40))
    assert refusal(award(replace(operator, account=held.account), code())) == (409, "account-not-open")
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[0]]


def test_the_schema_pays_no_comp_that_nobody_awarded(rich: WholesaleBuyer) -> None:
    def work(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id,
                                 recipient_address, amount, requested_at, state_at)
            VALUES (gen_random_uuid(), 'wholesale', :member_id, 'x', 'x', '', 'wholesale_comp', :id, :wallet, 1, :now,
                    :now)
            """,
            id=str(uuid4()),
            member_id=rich.somebody.id,
            wallet=WALLET,
            now=clock.now(),
        )

    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(work)
    assert refused.value.constraint == "wholesale_comp_payout"
