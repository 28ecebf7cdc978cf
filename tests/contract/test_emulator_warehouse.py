"""The warehouse's port and its stand-in understand each other: an order is packed once, a count is what lies there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
import requests

from emulators.process import wait_until
from emulators.vendor import Fault, VendorError
from emulators.warehouse import WarehouseStandIn
from shared.ports import warehouse, warehouse_notices
from shared.ports.vendors import Address, VendorRefused, VendorSilent
from shared.ports.warehouse import Fulfilment, Parcelled

HOME = Address("1 Main Street", "Unit 2", "Austin", "TX", "73301")
ORDER = Parcelled("Ada Lovelace", HOME, {"MINTICE-3": 3, "COFFEE-12": 1})
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
STOCK = {"MINTICE-3": 100, "COFFEE-12": 5}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[WarehouseStandIn]:
    made = WarehouseStandIn(lambda: NOON, STOCK)
    made.start()
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop()


def found(fulfilment_id: UUID) -> Fulfilment:
    fulfilment = warehouse.find(fulfilment_id)
    assert fulfilment is not None
    return fulfilment


def command(place: WarehouseStandIn, path: str, body: object = None) -> requests.Response:
    return requests.post(f"{place.url}/{path}", json=body, timeout=10)


def test_an_order_is_accepted_packed_shipped_and_delivered(place: WarehouseStandIn) -> None:
    key = uuid4()
    accepted = warehouse.submit(key, ORDER)
    assert (accepted.id, accepted.status, accepted.reason, accepted.shipments) == (key, "accepted", None, [])
    assert found(key) == accepted
    assert command(place, f"pack/{key}").ok
    assert found(key).status == "packed"
    assert command(place, f"ship/{key}").ok
    (parcel,) = found(key).shipments
    assert (found(key).status, parcel.status, parcel.lines) == ("shipped", "shipped", ORDER.lines)
    assert (parcel.shipped_at, parcel.delivered_at) == (NOON, None)
    assert command(place, f"deliver/{parcel.tracking_number}").ok
    (parcel,) = found(key).shipments
    assert (parcel.status, parcel.delivered_at) == ("delivered", NOON)


def test_the_warehouse_gets_what_it_needs(place: WarehouseStandIn) -> None:
    key = uuid4()
    warehouse.submit(key, ORDER)
    (order,) = place.orders()
    assert order.asked == {
        "external_id": str(key),
        "warehouse_id": "wh_local",
        "ship_to": {
            "name": "Ada Lovelace",
            "street_1": "1 Main Street",
            "street_2": "Unit 2",
            "city": "Austin",
            "state": "TX",
            "postal_code": "73301",
            "country": "US",
        },
        "items": [{"sku": "COFFEE-12", "quantity": 1}, {"sku": "MINTICE-3", "quantity": 3}],
        "adult_signature": True,
    }


def test_an_order_goes_in_parts(place: WarehouseStandIn) -> None:
    key = uuid4()
    warehouse.submit(key, ORDER)
    assert command(place, f"ship/{key}", {"MINTICE-3": 2}).ok
    assert found(key).status == "accepted"
    assert [each.lines for each in found(key).shipments] == [{"MINTICE-3": 2}]
    assert command(place, f"ship/{key}", {"MINTICE-3": 2}).status_code == 409  # one is left
    assert command(place, f"ship/{key}").ok
    assert found(key).status == "shipped"
    assert [each.lines for each in found(key).shipments] == [{"MINTICE-3": 2}, {"MINTICE-3": 1, "COFFEE-12": 1}]
    assert len({each.tracking_number for each in found(key).shipments}) == 2
    assert command(place, f"ship/{key}").status_code == 409


def test_a_count_is_what_lies_there_until_it_is_shipped(place: WarehouseStandIn) -> None:
    key = uuid4()
    warehouse.submit(key, ORDER)
    place.pack(key)
    assert warehouse.counts() == warehouse.Counts(NOON, STOCK)
    place.ship(key, {"MINTICE-3": 1})
    assert warehouse.counts().counts == {"MINTICE-3": 99, "COFFEE-12": 5}
    assert command(place, "counts", {"MINTICE-3": 7, "CITRUS-6": 12}).ok
    assert warehouse.counts().counts == {"CITRUS-6": 12, "COFFEE-12": 5, "MINTICE-3": 7}
    assert requests.get(f"{place.url}/counts", timeout=10).json()["CITRUS-6"] == 12


def test_an_order_is_taken_once(place: WarehouseStandIn) -> None:
    key = uuid4()
    first = warehouse.submit(key, ORDER)
    assert warehouse.submit(key, ORDER) == first
    with pytest.raises(VendorSilent, match="external_id_used"):
        warehouse.submit(key, replace(ORDER, lines={"COFFEE-12": 2}))
    assert found(key) == first
    assert len(place.orders()) == 1


def test_an_order_taken_without_an_answer_is_found(place: WarehouseStandIn) -> None:
    key = uuid4()
    place.fail_next(1, Fault.DONE_UNANSWERED)
    with pytest.raises(VendorSilent):
        warehouse.submit(key, ORDER)
    assert found(key).status == "accepted"
    assert warehouse.submit(key, ORDER) == found(key)
    assert len(place.orders()) == 1


def test_an_order_that_was_never_heard_of_is_not_known(place: WarehouseStandIn) -> None:
    assert warehouse.find(uuid4()) is None
    with pytest.raises(VendorRefused, match="order_unknown"):
        warehouse.cancel(uuid4())
    place.fail_next(2, Fault.FOREIGN_NOT_FOUND)
    with pytest.raises(VendorSilent):
        warehouse.find(uuid4())
    with pytest.raises(VendorSilent):
        warehouse.cancel(uuid4())


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (replace(ORDER, lines={"MADE-UP": 1}), "sku_unknown"),
        (replace(ORDER, address=replace(HOME, zip="00000")), "address_not_valid"),
    ],
)
def test_an_order_is_refused_by_the_warehouses_own_word(place: WarehouseStandIn, order: Parcelled, reason: str) -> None:
    key = uuid4()
    refused = warehouse.submit(key, order)
    assert (refused.status, refused.reason) == ("refused", reason)
    assert found(key) == refused
    with pytest.raises(VendorError):
        place.ship(key)


def test_an_order_may_be_refused_after_it_was_accepted(place: WarehouseStandIn) -> None:
    key = uuid4()
    warehouse.submit(key, ORDER)
    assert command(place, f"refuse/{key}").ok
    assert (found(key).status, found(key).reason) == ("refused", "out_of_stock")


@pytest.mark.parametrize("lines", [{}, {"MINTICE-3": 0}, {"MINTICE-3": -1}])
def test_an_order_of_nothing_is_not_taken(place: WarehouseStandIn, lines: dict[str, int]) -> None:
    key = uuid4()
    with pytest.raises(VendorRefused, match="order_not_valid"):
        warehouse.submit(key, replace(ORDER, lines=lines))
    assert warehouse.find(key) is None
    assert place.orders() == []


@pytest.mark.parametrize(
    ("before", "status"),
    [
        ([], "cancelled"),
        ([lambda place, key: place.pack(key)], "packed"),
        ([lambda place, key: place.ship(key, {"MINTICE-3": 1})], "shipped"),
        ([lambda place, key: place.ship(key)], "shipped"),
        ([lambda place, key: place.refuse(key)], "refused"),
    ],
    ids=["accepted", "packed", "partly shipped", "shipped", "refused"],
)
def test_a_cancel_is_what_the_warehouse_says(
    place: WarehouseStandIn, before: list[Callable[[WarehouseStandIn, UUID], object]], status: str
) -> None:
    key = uuid4()
    warehouse.submit(key, ORDER)
    for act in before:
        act(place, key)
    for _ in range(2):
        assert warehouse.cancel(key).status == status == found(key).status
    assert warehouse.submit(key, ORDER).status == status  # a late repetition changes nothing
    assert place.stock()["MINTICE-3"] == 100 - sum(each.lines["MINTICE-3"] for each in found(key).shipments)


def test_a_packed_order_is_cancelled_once_it_is_taken_apart(place: WarehouseStandIn) -> None:
    key, place.later_seconds = uuid4(), 3600.0
    warehouse.submit(key, ORDER)
    place.pack(key)
    assert not command(place, f"stop/{key}").ok  # nobody has asked for it
    assert warehouse.cancel(key).status == "packed"
    assert command(place, f"stop/{key}").ok
    assert found(key).status == "cancelled"


def test_a_packed_order_is_taken_apart_by_itself_unless_it_leaves_before(place: WarehouseStandIn) -> None:
    first, second, place.later_seconds = uuid4(), uuid4(), 0.2
    for key in (first, second):
        warehouse.submit(key, ORDER)
        place.pack(key)
        assert warehouse.cancel(key).status == "packed"
    place.ship(second)
    wait_until(lambda: found(first).status == "cancelled", "the first order is cancelled")
    assert found(second).status == "shipped"


def test_a_parcel_may_come_back_without_being_delivered(place: WarehouseStandIn) -> None:
    key = uuid4()
    warehouse.submit(key, ORDER)
    parcel = place.ship(key)
    place.journey(parcel.tracking_number, "in_transit")
    assert command(place, f"return/{parcel.tracking_number}").ok
    assert [(each.status, each.delivered_at) for each in found(key).shipments] == [("returned", None)]
    assert place.stock()["MINTICE-3"] == 97  # returned goods come back by a count only
    assert command(place, "deliver/0").status_code == 404


def test_it_ships_and_delivers_by_itself_when_asked_to(place: WarehouseStandIn) -> None:
    key, place.ship_after = uuid4(), 0.1
    warehouse.submit(key, ORDER)
    wait_until(lambda: [each.status for each in found(key).shipments] == ["delivered"], "the parcel", 10.0)


def test_each_change_is_told(place: WarehouseStandIn) -> None:
    key = uuid4()
    warehouse.submit(key, ORDER)
    place.pack(key)
    parcel = place.ship(key)
    place.journey(parcel.tracking_number, "delivered")
    place.set_counts({"COFFEE-12": 9})
    told = [warehouse_notices.notice(place.webhooks.signed(body), body) for body in place.webhooks.told()]
    assert [each.fulfilment_id for each in told] == [key, key, key, key, None]
    assert len({each.event_id for each in told}) == 5


def test_operators_get_answers_to_mistakes_too(place: WarehouseStandIn) -> None:
    assert command(place, "nowhere").status_code == 404
    assert command(place, f"ship/{uuid4()}").status_code == 404
    for body in ([1], {"COFFEE-12": "many"}):
        assert command(place, "counts", body).status_code == 400
    assert requests.get(f"{place.url}/orders", timeout=10).json() == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "lost"},
        {"id": ""},
        {"shipments": None},
        {"shipments": [{}]},
        {"shipments": [{"status": "teleported"}]},
        {"shipments": [{"shipped_at": "2026-11-29T12:00:00"}]},
        {"shipments": [{"items": [{"sku": "A", "quantity": 1}, {"sku": "A", "quantity": 1}]}]},
        {"shipments": [{"items": [{"sku": "A", "quantity": 1.5}]}]},
        {"shipments": [{"items": [{"sku": "A", "quantity": -1}]}]},
    ],
)
@pytest.mark.usefixtures("place")
def test_an_order_of_another_shape_is_not_understood(change: dict[str, object]) -> None:
    key = uuid4()
    parcel = {
        "carrier": "USPS",
        "tracking_number": "9400",
        "status": "shipped",
        "shipped_at": "2026-11-29T12:00:00Z",
        "delivered_at": None,
        "items": [{"sku": "A", "quantity": 1}],
    }
    sound = {"external_id": str(key), "id": "so_1", "status": "shipped", "reason": None, "shipments": [parcel]}
    assert warehouse._fulfilment(sound, key).shipments[0].lines == {"A": 1}
    told = dict(sound) | change
    parts = change.get("shipments")
    if isinstance(parts, list) and parts[0]:
        told["shipments"] = [parcel | parts[0]]
    with pytest.raises(VendorSilent):
        warehouse._fulfilment(told, key)
