"""Selery: the warehouse that keeps the tins, packs and ships them. A fulfilment's id is the warehouse's external id.

SELERY_URL (https://api.selery.com unless given), SELERY_API_KEY, SELERY_WAREHOUSE. Its documentation is not public: the
shapes are those of `emulators/warehouse.py`, to be compared with the contract.

A count is what physically lies there, tins picked for our orders included. A parcel is named by carrier and number.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, get_args
from urllib.parse import urlencode
from uuid import UUID

from shared.ports import outcomes, vendors
from shared.ports.vendors import Address, VendorFailure, VendorRefused, VendorReply, VendorSilent

URL_DEFAULT = "https://api.selery.com"
UNKNOWN = "order_unknown"
SKU_LENGTH_MAX = 64
COUNT_MAX = 100_000_000

Stage = Literal["accepted", "packed", "shipped", "cancelled", "refused"]
Journey = Literal["shipped", "in_transit", "delivered", "returned"]
STAGES: Mapping[str, Stage] = {stage: stage for stage in get_args(Stage)}
JOURNEYS: Mapping[str, Journey] = {journey: journey for journey in get_args(Journey)}


@dataclass(frozen=True)
class Parcelled:
    """The goods to be sent, and the person; `lines` are tins by sku."""

    name: str
    address: Address
    lines: Mapping[str, int]
    adult_signature: bool = True

    def __repr__(self) -> str:
        return f"Parcelled({dict(self.lines)}, ...)"  # the person must not get into a log


@dataclass(frozen=True)
class Shipment:
    """A parcel that has left; `lines` are tins by sku."""

    carrier: str
    tracking_number: str
    status: Journey
    shipped_at: datetime
    delivered_at: datetime | None
    lines: dict[str, int]


@dataclass(frozen=True)
class Fulfilment:
    """An order as the warehouse has it. `id` is ours, `reference` the warehouse's; `reason` says why it was refused.

    "shipped": every line has left, or never will.
    """

    id: UUID
    reference: str
    status: Stage
    reason: str | None
    shipments: list[Shipment]


@dataclass(frozen=True)
class Counts:
    """The tins that lay in the warehouse at `as_of`, by sku."""

    as_of: datetime
    counts: dict[str, int]


def submit(fulfilment_id: UUID, order: Parcelled) -> Fulfilment:
    """Have an order packed and sent, once per id. Raises VendorSilent, VendorRefused, VendorMisconfigured."""
    asked = {
        "external_id": str(fulfilment_id),
        "warehouse_id": os.environ["SELERY_WAREHOUSE"],
        "ship_to": {
            "name": order.name,
            "street_1": order.address.street,
            "street_2": order.address.unit,
            "city": order.address.city,
            "state": order.address.state,
            "postal_code": order.address.zip,
            "country": order.address.country,
        },
        "items": [{"sku": sku, "quantity": quantity} for sku, quantity in sorted(order.lines.items())],
        "adult_signature": order.adult_signature,
    }
    return _fulfilment(_accepted(_ask("POST", "/v1/orders", asked)), fulfilment_id)


def find(fulfilment_id: UUID) -> Fulfilment | None:
    """The order of this id; None when the warehouse has never heard of it.

    Raises VendorSilent, VendorRefused, VendorMisconfigured.
    """
    reply = _ask("GET", f"/v1/orders/external/{fulfilment_id}")
    if reply.status == HTTPStatus.NOT_FOUND and _code(reply) == UNKNOWN:
        return None
    return _fulfilment(_accepted(reply), fulfilment_id)


def cancel(fulfilment_id: UUID) -> Fulfilment:
    """Ask for the order's cancellation; its answer says whether it still could be, and what has left before.

    Raises VendorRefused("order_unknown") when there is none: a submission may still be under way. Raises VendorSilent,
    VendorMisconfigured.
    """
    return _fulfilment(_accepted(_ask("POST", f"/v1/orders/external/{fulfilment_id}/cancel", {})), fulfilment_id)


def counts() -> Counts:
    """Ask what lies in the warehouse. Raises VendorSilent, VendorRefused, VendorMisconfigured."""
    query = urlencode({"warehouse_id": os.environ["SELERY_WAREHOUSE"]})
    body = _accepted(_ask("GET", f"/v1/inventory?{query}"))
    try:
        return Counts(vendors.moment(body["as_of"]), _lines(body["items"], "on_hand"))
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _ask(method: str, path: str, body: object = None) -> VendorReply:
    headers = {"authorization": f"Bearer {os.environ['SELERY_API_KEY']}"}
    with outcomes.asking("selery", VendorFailure):
        return vendors.ask(method, os.environ.get("SELERY_URL", URL_DEFAULT) + path, headers, body)


def _accepted(reply: VendorReply) -> Mapping[str, Any]:
    """The answer's body. Raises VendorRefused for the warehouse's own refusal, VendorSilent for anybody else's.

    A conflict says that the id is in use: what became of that order is not known, and `find` tells.
    """
    if reply.ok:
        return reply.body
    code = _code(reply)
    if code is None or reply.status == HTTPStatus.CONFLICT:
        raise VendorSilent(f"{reply.status} {code or 'of somebody else'}")
    raise VendorRefused(code)


def _code(reply: VendorReply) -> str | None:
    error = reply.body.get("error")
    return vendors.slug(error.get("code")) if isinstance(error, dict) and "code" in error else None


def _fulfilment(body: Mapping[str, Any], fulfilment_id: UUID) -> Fulfilment:
    """The order in an answer. Raises VendorSilent when it is another one."""
    try:
        if body["external_id"] != str(fulfilment_id):
            raise VendorSilent("the answer is about another order")
        reason = body.get("reason")
        return Fulfilment(
            id=fulfilment_id,
            reference=vendors.identifier(body["id"]),
            status=STAGES[body["status"]],
            reason=None if reason is None else vendors.slug(reason),
            shipments=[_shipment(each) for each in body["shipments"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _shipment(told: Mapping[str, Any]) -> Shipment:
    delivered_at = told.get("delivered_at")
    return Shipment(
        carrier=vendors.identifier(told["carrier"]),
        tracking_number=vendors.identifier(told["tracking_number"]),
        status=JOURNEYS[told["status"]],
        shipped_at=vendors.moment(told["shipped_at"]),
        delivered_at=None if delivered_at is None else vendors.moment(delivered_at),
        lines=_lines(told["items"], "quantity"),
    )


def _lines(told: Any, field: str) -> dict[str, int]:
    """Numbers by sku. Raises ValueError for a sku that stands twice, and for what is no count."""
    found: dict[str, int] = {}
    for each in told:
        sku, count = vendors.identifier(each["sku"]), each[field]
        if sku in found or len(sku) > SKU_LENGTH_MAX:
            raise ValueError("a sku stands twice, or is none")
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= COUNT_MAX:
            raise ValueError("no count")
        found[sku] = count
    return found
