"""HTTP for admins: trips that were won, the concierge's call, the commemorative chip (docs/product.md, "Trips")."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from flask import Request, Response
from pydantic import AfterValidator, StringConstraints

from functions.admin_trips import rules, store
from functions.admin_trips.store import AdminTrip
from shared.api import Api
from shared.auth import Admin, Role
from shared.db import Tx
from shared.messages import notifications
from shared.payouts import interests
from shared.values import typed
from shared.values.fields import LINE, Body, Listing, Page
from shared.values.problems import NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position

Operations = Annotated[Admin, Role.OPERATIONS]
TripState = Literal["to_be_chosen", "chosen", "concierge_contacted", "chip_mailed"]

api = Api("admin_trips")


def admin_trips(request: Request) -> Response:
    return api.handle(request)


class TripFilter(Page):
    """A page of trips, of one state if given."""

    state: TripState | None = None


class ChipParcel(Body):
    """The parcel that carries the commemorative chip."""

    tracking_number: Annotated[str, LINE, AfterValidator(typed.line), StringConstraints(min_length=4, max_length=60)]


@api.get("/v1/admin/trips")
def list_admin_trips(tx: Tx, admin: Operations, page: TripFilter) -> Listing[AdminTrip]:
    """List trips, newest first."""
    rows = store.trips(tx, page.state, None, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.awarded_at, row.comp_id))
    return Listing[AdminTrip](items=list(shown), next_cursor=cursor)


@api.post("/v1/admin/trips/{comp_id}/concierge-contacted", problems=(rules.TripStepNotNext, interests.OwnInterest))
def contact_winner(tx: Tx, admin: Operations, comp_id: UUID, client: Client, now: datetime) -> AdminTrip:
    """Record that the concierge has talked to the winner. Harmless twice."""
    trip = _locked(tx, comp_id)
    interests.require_none_in_member(tx, admin.id, trip.member_uuid)
    if rules.is_next(trip.state, "concierge_contacted"):
        store.contacted(tx, comp_id, now)
        audit.record(tx, admin, client, Action("trip.contact", "comp", comp_id, {}), now)
    return _locked(tx, comp_id)


@api.post("/v1/admin/trips/{comp_id}/chip-mailed", problems=(rules.TripStepNotNext, interests.OwnInterest))
def mail_chip(tx: Tx, admin: Operations, comp_id: UUID, body: ChipParcel, client: Client, now: datetime) -> AdminTrip:
    """Record that the chip was mailed, and notify the winner. Harmless twice: the first tracking number stays."""
    trip = _locked(tx, comp_id)
    interests.require_none_in_member(tx, admin.id, trip.member_uuid)
    if rules.is_next(trip.state, "chip_mailed"):
        store.chip_mailed(tx, comp_id, body.tracking_number, now)
        audit.record(tx, admin, client, Action("trip.chip", "comp", comp_id, body.model_dump()), now)
        data = {"comp_id": str(comp_id), "tracking_number": body.tracking_number}
        parcel = {"tracking_number": body.tracking_number}
        note = notifications.note(trip.member_uuid, "trip_chip_mailed", data, f"trip-chip:{comp_id}", **parcel)
        notifications.notify(tx, note, now)
    return _locked(tx, comp_id)


def _locked(tx: Tx, comp_id: UUID) -> AdminTrip:
    """Lock the trip and return it. Raises NotFound."""
    store.lock(tx, comp_id)
    found = store.trips(tx, None, comp_id, after=None, limit=1)
    if not found:
        raise NotFound
    return found[0]
