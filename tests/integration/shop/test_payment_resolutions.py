"""A payment that the provider cannot tell, or has refused, ends by the word of two people, and its order goes on."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from shared import clock, db
from shared.db import ConstraintViolated
from shared.orders import rows
from shared.orders.states import CancelReason
from tests import factories
from tests.client import FunctionClient
from tests.fakes import accrual_rows, order_views
from tests.fakes.order_admins import OrderAdmin, order_admin, signed_in_again
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, bought, standing

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

Client = Callable[..., FunctionClient]

PAID = ["authorize succeeded", "capture succeeded"]


@pytest.fixture
def two(client: Client) -> tuple[OrderAdmin, OrderAdmin]:
    return order_admin(client), order_admin(client)


def leave(order: Placed) -> None:
    db.atomically(lambda tx: rows.want_cancelled(tx, order.id, CancelReason.MEMBER, clock.now()))


def operation(sql: Connection, kind: str) -> UUID:
    ((found,),) = sql.execute_unnamed("SELECT id FROM payment_operations WHERE kind = $1", (kind,)).rows
    return UUID(str(found))


@pytest.fixture
def refused(orders: OrderDriver, shop_vendors: Vendors) -> Placed:
    """A cancelled order whose refund the provider has refused."""
    order = bought(orders)
    shop_vendors.card.decline_next("refund")
    leave(order)
    orders.pass_time(2)
    assert standing(order.id).operations == [*PAID, "refund failed"]
    return order


def test_a_refused_refund_that_was_paid_elsewhere_is_settled_under_the_same_refund(
    orders: OrderDriver, refused: Placed, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    refund = operation(sql, "refund")
    first = two[0].resolve(refused.id, refund, "paid_elsewhere", "Check 1042")
    assert (first.status, first.body["agreed"], first.body["needed"]) == (200, 1, 2)
    assert order_views.balances()["owed:refunds"] == -refused.total
    orders.pass_time(2)
    assert standing(refused.id).state == "confirmed"

    second = two[1].resolve(refused.id, refund, "paid_elsewhere", "Check 1042")

    assert (second.status, second.body["agreed"], second.body["operation"]["status"]) == (200, 2, "succeeded")
    orders.deliver()
    assert standing(refused.id).state == "cancelled"
    assert order_views.balances() == {"takings:card": refused.total}  # the provider has kept it
    assert sql.execute_simple("SELECT refund_open, refunded FROM payments").rows == [[0, refused.total.micro]]
    assert sql.execute_simple("SELECT sum(amount) FROM ledger_postings WHERE account = 'bank:operating'").rows == [
        [-refused.total.micro]
    ]
    assert accrual_rows.pools() == {}
    assert order_views.stock() == (100, 0)
    (entry,) = two[0].order(refused.id)["refunds"]
    assert entry["paid_at"] is not None


def test_a_refused_refund_that_the_provider_has_paid_after_all_is_done(
    orders: OrderDriver, refused: Placed, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    for admin in two:
        assert admin.resolve(refused.id, operation(sql, "refund"), "done", "re_77").status == 200
    orders.deliver()
    assert standing(refused.id).state == "cancelled"
    assert order_views.balances() == {}


def test_money_that_the_provider_would_not_let_go_of_is_let_go_of_by_two_people(
    orders: OrderDriver, shop_vendors: Vendors, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    order = bought(orders, card="late")
    leave(order)
    (made,) = shop_vendors.card.operations()
    shop_vendors.card.decide(made.id)
    shop_vendors.card.decline_next("void")
    orders.pass_time(2)
    assert standing(order.id).operations == ["authorize succeeded", "void failed"]

    for admin in two:
        assert admin.resolve(order.id, operation(sql, "void"), "done", "lapsed").status == 200
    orders.deliver()

    assert (standing(order.id).state, standing(order.id).payment) == ("cancelled", "voided")
    assert order_views.stock() == (100, 0)


@pytest.fixture
def forgotten(orders: OrderDriver, sql: Connection) -> Placed:
    """An order whose card was asked so long ago that the provider has forgotten the key."""
    order = bought(orders, card="silent-undone")
    sql.execute_unnamed("UPDATE orders SET expires_at = expires_at + interval '3 days' WHERE id = $1", (order.id,))
    orders.advance_clock(24 * 3600)
    orders.pass_time(2)
    assert standing(order.id).operations == ["authorize sent"]
    return order


@pytest.mark.parametrize(("outcome", "payment"), [("not_done", "failed"), ("done", "authorized")])
def test_an_operation_that_the_provider_has_forgotten_ends_by_two_people(
    orders: OrderDriver, forgotten: Placed, two: tuple[OrderAdmin, OrderAdmin], client: Client, sql: Connection,
    outcome: str, payment: str,
) -> None:  # fmt: skip
    reference = "au_1" if outcome == "done" else None
    authorize = operation(sql, "authorize")
    for admin in two:
        assert signed_in_again(admin, client).resolve(forgotten.id, authorize, outcome, reference).status == 200
    assert standing(forgotten.id).payment == payment
    orders.deliver()
    assert standing(forgotten.id).state == "payment_processing"
    assert standing(forgotten.id).operations[1:] == ([] if outcome == "not_done" else ["capture failed", "void failed"])


def test_one_person_counts_once_and_the_two_must_say_the_same(
    refused: Placed, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    refund = operation(sql, "refund")
    assert two[0].resolve(refused.id, refund, "paid_elsewhere", "Check 1042").status == 200
    assert two[0].resolve(refused.id, refund, "paid_elsewhere", "Check 1042").problem == "resolved-before"
    assert two[1].resolve(refused.id, refund, "paid_elsewhere", "Check 1043").body["agreed"] == 1
    assert two[1].resolve(refused.id, refund, "done", "Check 1042").body["agreed"] == 1
    assert standing(refused.id).operations[-1] == "refund failed"
    assert two[0].resolve(refused.id, refund, "done", "Check 1042").body["agreed"] == 2
    assert two[0].resolve(refused.id, refund, "done", "Check 1042").problem == "operation-not-in-question"


def test_somebody_who_has_lost_the_role_does_not_count(
    refused: Placed, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    refund = operation(sql, "refund")
    two[0].resolve(refused.id, refund, "done", "re_77")
    sql.execute_unnamed("UPDATE members SET role = NULL WHERE id = $1", (two[0].who.id,))
    assert two[1].resolve(refused.id, refund, "done", "re_77").body["agreed"] == 1


def test_nobody_says_it_of_an_order_of_their_own(
    orders: OrderDriver, shop_vendors: Vendors, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    order = bought(orders, member=two[0].who)
    shop_vendors.card.decline_next("refund")
    leave(order)
    orders.pass_time(2)
    assert two[0].resolve(order.id, operation(sql, "refund"), "done", "re_77").problem == "own-interest"


def test_what_the_provider_has_decided_or_may_still_tell_is_no_question(
    orders: OrderDriver, refused: Placed, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    """A capture that was done, a void of nothing, a refund that was only refused, and one that is a minute old."""
    admin = two[0]
    assert admin.resolve(refused.id, operation(sql, "capture"), "done", "ca_1").problem == "operation-not-in-question"
    refund = operation(sql, "refund")
    assert admin.resolve(refused.id, refund, "not_done").problem == "operation-not-in-question"
    young = bought(orders, card="silent-undone")
    ((sent,),) = sql.execute_simple("SELECT id FROM payment_operations WHERE status = 'sent'").rows
    assert admin.resolve(young.id, sent, "not_done").problem == "operation-not-in-question"
    assert admin.resolve(young.id, refund, "done", "re_77").status == 404
    assert admin.resolve(uuid4(), refund, "done", "re_77").status == 404


def test_a_reference_is_named_where_it_must_be_and_is_no_other_operations(
    orders: OrderDriver, refused: Placed, two: tuple[OrderAdmin, OrderAdmin], sql: Connection
) -> None:
    assert two[0].resolve(refused.id, operation(sql, "refund"), "done").status == 422
    refund = operation(sql, "refund")
    other = bought(orders)
    leave(other)
    orders.pass_time(2)
    ((taken,),) = sql.execute_simple(
        "SELECT reference FROM payment_operations WHERE kind = 'refund' AND status = 'succeeded'"
    ).rows
    two[0].resolve(refused.id, refund, "done", taken)
    assert two[1].resolve(refused.id, refund, "done", taken).problem == "reference-of-another"
    assert standing(refused.id).operations[-1] == "refund failed"


def test_the_schema_wants_two_people_too(refused: Placed, two: tuple[OrderAdmin, OrderAdmin], sql: Connection) -> None:
    refund = operation(sql, "refund")
    two[0].resolve(refused.id, refund, "done", "re_77")
    end = """
        UPDATE payment_operations SET status = 'succeeded', evidence = 'person', reference = 're_77' WHERE id = :id
        """
    with pytest.raises(ConstraintViolated) as refusal:
        db.atomically(lambda tx: tx.run(end, id=refund))
    assert refusal.value.constraint == "operation_second_person"
    say = """
        INSERT INTO operation_resolutions (operation_id, person_id, outcome, reference, why, said_at)
        VALUES (:id, :person, 'done', 're_77', 'I think so', :now)
        """
    nobody = factories.member()
    with pytest.raises(ConstraintViolated) as refusal:
        db.atomically(lambda tx: tx.run(say, id=refund, person=nobody.id, now=clock.now() + timedelta(days=1)))
    assert refusal.value.constraint == "own_interest"
