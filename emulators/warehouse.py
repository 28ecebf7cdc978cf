"""A local warehouse, after Selery, whose documentation is not public: the shapes are those that our port expects.

API, with `Authorization: Bearer <key>`; errors are `{"error": {"code", "message"}}`: `POST /v1/orders`, `GET
/v1/orders/external/<our id>`, `POST .../cancel`, `GET /v1/inventory?warehouse_id=`. An order is `{"id", "external_id",
"status", "reason", "shipments"}`. Our id is taken once: the same order again is answered as it stands, another one
under it is a 409. An order to ZIP 00000 is refused, and so is one of a product that is not in the `stock` with which it
was started (started without, it knows every product).

An accepted order is cancelled at once. A packed one stays packed for `later_seconds`, or until `/stop/<our id>`, and
may be shipped meanwhile.

For operators: `POST /ship/<our id>` with nothing (all that is left) or `{"<sku>": <tins>}`, `/pack/<our id>`,
`/refuse/<our id>`, `/deliver/<number>`, `/return/<number>`, `/counts` with `{"<sku>": <tins>}` (what arrived or was
counted), `GET /orders`, `GET /counts`. `ship_after` seconds after an order it is packed and shipped by itself, and
delivered after as many more; None: only on command.

A count is what lies there, tins picked for orders included: it sinks when a parcel leaves. Each change is told by a
webhook, signed as `Selery-Signature: t=...,v1=...`: `{"id", "type", "data": {"external_id"}}`.
"""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar

from emulators.vendor import Answered, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks, timed_signature
from shared import clock

API_KEY = "local-selery-key"
WAREHOUSE = "wh_local"
WEBHOOK_SECRET = "local-selery-webhook-secret"  # noqa: S105 - it opens nothing outside this machine
NO_ADDRESS = "00000"
CARRIER = "USPS"
OPEN = ("accepted", "packed")


@dataclass
class Parcel:
    """A parcel that has left."""

    carrier: str
    tracking_number: str
    status: str
    shipped_at: str
    delivered_at: str | None
    items: dict[str, int]


@dataclass
class WarehouseOrder:
    """An order; `items` are the tins wanted."""

    id: str
    external_id: str
    status: str
    reason: str | None
    items: dict[str, int]
    asked: Mapping[str, Any]
    shipments: list[Parcel] = field(default_factory=list)
    is_stopping: bool = False

    def left(self) -> dict[str, int]:
        """The tins that have not left yet, by sku."""
        gone: Counter[str] = Counter()
        for parcel in self.shipments:
            gone.update(parcel.items)
        return {sku: tins - gone[sku] for sku, tins in self.items.items() if tins > gone[sku]}


class WarehouseStandIn(VendorStandIn):
    """The warehouse. `stock` are the tins that lie there, by sku; `now` is its clock."""

    handler: ClassVar[type[VendorHandler]]

    def __init__(
        self,
        now: Callable[[], datetime] = clock.now,
        stock: Mapping[str, int] | None = None,
        ship_after: float | None = None,
    ) -> None:
        super().__init__(Webhooks("warehouse", "POST", timed_signature("Selery-Signature", WEBHOOK_SECRET)))
        self.now = now
        self.ship_after = self._ship_after = ship_after
        self._knows_all = stock is None
        self._stock = Counter(stock or {})
        self._orders: dict[str, WarehouseOrder] = {}

    @property
    def settings(self) -> dict[str, str]:
        return {
            "SELERY_URL": self.url,
            "SELERY_API_KEY": API_KEY,
            "SELERY_WAREHOUSE": WAREHOUSE,
            "SELERY_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }

    def forget(self) -> None:
        self.ship_after = self._ship_after
        self._orders.clear()
        self._stock.clear()

    def orders(self) -> list[WarehouseOrder]:
        """All orders, first to last."""
        with self.lock:
            return list(self._orders.values())

    def stock(self) -> dict[str, int]:
        """The tins that lie there."""
        with self.lock:
            return dict(self._stock)

    def set_counts(self, counts: Mapping[str, int]) -> None:
        """Set what lies there, for these products, and tell that there are new counts."""
        with self.lock:
            self._stock.update({sku: tins - self._stock[sku] for sku, tins in counts.items()})
            self._tell("inventory.counted", None)

    def take(self, asked: Mapping[str, Any]) -> WarehouseOrder:
        """Take an order, or show the one of this id. Raises VendorError."""
        external_id, items = asked.get("external_id"), _items(asked.get("items"))
        if not external_id or not items or asked.get("warehouse_id") != WAREHOUSE:
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "order_not_valid")
        with self.lock:
            known = self._orders.get(external_id)
            if known is not None:
                if known.asked != asked:
                    raise VendorError(HTTPStatus.CONFLICT, "external_id_used")
                return known
            reason = None if self._knows_all or items.keys() <= self._stock.keys() else "sku_unknown"
            if (asked.get("ship_to") or {}).get("postal_code") == NO_ADDRESS:
                reason = "address_not_valid"
            made = WarehouseOrder(
                id=f"so_{secrets.token_hex(8)}",
                external_id=external_id,
                status="refused" if reason else "accepted",
                reason=reason,
                items=items,
                asked=asked,
            )
            self._orders[external_id] = made
            self._tell(f"order.{made.status}", external_id)
            if self.ship_after is not None and not reason:
                self.later(self.ship_after, lambda: self._go_on(external_id))
            return made

    def find(self, external_id: object) -> WarehouseOrder:
        """The order of this id of ours. Raises VendorError."""
        with self.lock:
            if str(external_id) not in self._orders:
                raise VendorError(HTTPStatus.NOT_FOUND, "order_unknown")
            return self._orders[str(external_id)]

    def cancel(self, external_id: str) -> WarehouseOrder:
        """Have what has not left yet cancelled: at once, or when the floor has taken a packed order apart again."""
        with self.lock:
            order = self.find(external_id)
            if order.status == "packed":
                if not order.is_stopping:
                    order.is_stopping = True
                    self.later(self.later_seconds, lambda: self._stop_if_known(external_id))
            elif order.status in OPEN:
                self._end(order)
            return order

    def stop_packed(self, external_id: object) -> None:
        """Take a packed order apart that was told to be cancelled. Raises VendorError."""
        with self.lock:
            order = self.find(external_id)
            if order.status not in OPEN or not order.is_stopping:
                raise VendorError(HTTPStatus.CONFLICT, "not_to_be_stopped")
            self._end(order)

    def pack(self, external_id: object) -> None:
        """Pack an accepted order."""
        self._move(external_id, ("accepted",), "packed")

    def refuse(self, external_id: object, reason: str = "out_of_stock") -> None:
        """Refuse an order that has not left, after it was accepted."""
        with self.lock:
            self._move(external_id, OPEN, "refused")
            self.find(external_id).reason = reason

    def ship(self, external_id: object, items: Mapping[str, int] | None = None) -> Parcel:
        """Send a parcel with these tins, else with all that are left; returns it. Raises VendorError."""
        with self.lock:
            order = self.find(external_id)
            sent = dict(items) if items else order.left()
            left = order.left()
            fits = all(0 < tins <= left.get(sku, 0) for sku, tins in sent.items())
            if order.status not in OPEN or not sent or not fits:
                raise VendorError(HTTPStatus.CONFLICT, "not_to_be_shipped")
            parcel = Parcel(CARRIER, f"94{secrets.randbelow(10**18):018d}", "shipped", self._at(), None, sent)
            order.shipments.append(parcel)
            self._stock.subtract(sent)
            if not order.left():
                order.status = "shipped"
            self._tell("order.shipped", order.external_id)
            return parcel

    def journey(self, tracking_number: str, status: str) -> None:
        """Say where a parcel is: in_transit, delivered or returned. Raises VendorError."""
        with self.lock:
            for order in self._orders.values():
                for parcel in order.shipments:
                    if parcel.tracking_number == tracking_number:
                        parcel.status = status
                        parcel.delivered_at = self._at() if status == "delivered" else parcel.delivered_at
                        self._tell(f"parcel.{status}", order.external_id)
                        return
        raise VendorError(HTTPStatus.NOT_FOUND, "parcel_unknown")

    def counted(self) -> dict[str, Any]:
        """The inventory as the API shows it."""
        with self.lock:
            items = [{"sku": sku, "on_hand": max(tins, 0)} for sku, tins in sorted(self._stock.items())]
            return {"as_of": self._at(), "items": items}

    def _go_on(self, external_id: str) -> None:
        """Do the next step of an order by itself."""
        with self.lock:
            order = self._orders.get(external_id)
            if order is None or self.ship_after is None:
                return
            if order.status in OPEN:
                self.ship(external_id)
                self.later(self.ship_after, lambda: self._go_on(external_id))
            else:
                for parcel in order.shipments:
                    if parcel.status == "shipped":
                        self.journey(parcel.tracking_number, "delivered")

    def _stop_if_known(self, external_id: str) -> None:
        """Take a packed order apart, unless it has left or was forgotten meanwhile."""
        with self.lock:
            order = self._orders.get(external_id)
            if order is not None and order.status in OPEN:
                self._end(order)

    def _end(self, order: WarehouseOrder) -> None:
        """Cancel an order; one of which a part has left is shipped, and the rest never is."""
        order.status = "shipped" if order.shipments else "cancelled"
        self._tell(f"order.{order.status}", order.external_id)

    def _move(self, external_id: object, before: tuple[str, ...], after: str) -> None:
        with self.lock:
            order = self.find(external_id)
            if order.status not in before or order.shipments:
                raise VendorError(HTTPStatus.CONFLICT, "too_late")
            order.status = after
            self._tell(f"order.{after}", order.external_id)

    def _at(self) -> str:
        return self.now().isoformat()

    def _tell(self, kind: str, external_id: str | None) -> None:
        data = {"external_id": external_id} if external_id else {}
        self.webhooks.tell({"id": f"evt_{secrets.token_hex(10)}", "type": kind, "data": data})


class _WarehouseHandler(VendorHandler):
    stand_in: WarehouseStandIn

    def authorised(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {API_KEY}"

    def done(self, asked: Mapping[str, Any]) -> Answered:
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("POST", "v1", "orders"):
                return HTTPStatus.CREATED, _shown(self.stand_in.take(asked))
            case ("GET", "v1", "orders", "external", external_id):
                return HTTPStatus.OK, _shown(self.stand_in.find(external_id))
            case ("POST", "v1", "orders", "external", external_id, "cancel"):
                return HTTPStatus.OK, _shown(self.stand_in.cancel(external_id))
            case ("GET", "v1", "inventory") if self.query.get("warehouse_id") == WAREHOUSE:
                return HTTPStatus.OK, self.stand_in.counted()
        raise VendorError(HTTPStatus.NOT_FOUND, "no_such_route")

    def operate(self, raw: bytes) -> None:
        try:
            told = self._operated(json.loads(raw or b"{}"))
        except VendorError as error:
            self.answer_json(error.status, self.error_body(error.status, error.code))
        except (ValueError, TypeError, AttributeError):
            self.answer_json(HTTPStatus.BAD_REQUEST, {"error": "the body is no JSON object of numbers"})
        else:
            self.answer_json(HTTPStatus.OK, told)

    def _operated(self, items: Any) -> object:
        place = self.stand_in
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("GET", "orders"):
                return [asdict(each) for each in place.orders()]
            case ("GET", "counts"):
                return place.stock()
            case ("POST", "counts"):
                place.set_counts({str(sku): int(tins) for sku, tins in items.items()})
            case ("POST", "ship", external_id):
                return asdict(place.ship(external_id, {str(sku): int(tins) for sku, tins in items.items()}))
            case ("POST", "pack", external_id):
                place.pack(external_id)
            case ("POST", "stop", external_id):
                place.stop_packed(external_id)
            case ("POST", "refuse", external_id):
                place.refuse(external_id)
            case ("POST", "deliver", number):
                place.journey(number, "delivered")
            case ("POST", "return", number):
                place.journey(number, "returned")
            case _:
                raise VendorError(HTTPStatus.NOT_FOUND, "no_such_page")
        return {}


WarehouseStandIn.handler = _WarehouseHandler


def _items(said: object) -> dict[str, int]:
    """The tins wanted by sku; empty when they are not told as they should be."""
    try:
        items = {str(each["sku"]): int(each["quantity"]) for each in said}  # type: ignore[attr-defined]  # else a TypeError, below
    except (TypeError, KeyError, ValueError):
        return {}
    return items if all(tins > 0 for tins in items.values()) else {}


def _shown(order: WarehouseOrder) -> dict[str, Any]:
    parcels = [
        {**asdict(parcel), "items": [{"sku": sku, "quantity": tins} for sku, tins in parcel.items.items()]}
        for parcel in order.shipments
    ]
    return {
        "id": order.id,
        "external_id": order.external_id,
        "status": order.status,
        "reason": order.reason,
        "shipments": parcels,
    }
