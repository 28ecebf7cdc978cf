"""HTTP for admins: trips that were won, the concierge's call, the commemorative chip (plan section "Trip Comp")."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from flask import Request, Response
from pydantic import StringConstraints

from functions.admin_trips import rules, store
from shared import audit, notifications, paging
from shared.api import Api
from shared.audit import Action
from shared.auth import Admin, Role
from shared.db import Tx
from shared.fields import Body, Listing, Money, Page, Reply
from shared.http import Client
from shared.notifications import Note
from shared.paging import Position
from shared.problems import NotFound

Operations = Annotated[Admin, Role.OPERATIONS]
TripState = Literal["to_be_chosen", "chosen", "concierge_contacted", "chip_mailed"]

api = Api("admin_trips")


def admin_trips(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class TripFilter(Page):
    """A page, of one state if given."""

    state: TripState | None = None


class ChipParcel(Body):
    """The parcel with the commemorative chip."""

    tracking_number: Annotated[str, StringConstraints(min_length=4, max_length=60, strip_whitespace=True)]


class AdminTrip(Reply):
    """A trip with whom to call; `status` is the comp's, `state` the trip's own."""

    comp_id: UUID
    status: str
    member_uuid: UUID
    username: str
    full_name: str
    email: str
    phone: str | None
    awarded_at: datetime
    scan_number: int | None
    destination: str | None
    title: str | None
    value: Money | None
    state: str
    chosen_at: datetime | None
    concierge_contacted_at: datetime | None
    chip_mailed_at: datetime | None
    tracking_number: str | None


@api.get("/v1/admin/trips")
def list_admin_trips(tx: Tx, admin: Operations, page: TripFilter) -> Listing[AdminTrip]:
    """Newest first."""
    rows = store.trips(tx, page.state, None, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.awarded_at, row.comp_id))
    return Listing[AdminTrip](items=[AdminTrip(**vars(row)) for row in shown], next_cursor=cursor)


@api.post("/v1/admin/trips/{comp_id}/concierge-contacted", problems=(rules.TripStepNotNext,))
def contact_winner(tx: Tx, admin: Operations, comp_id: UUID, client: Client, now: datetime) -> AdminTrip:
    """The concierge has talked to the winner. Harmless twice."""
    trip = _locked(tx, comp_id)
    if rules.is_next(trip.state, "concierge_contacted"):
        store.contacted(tx, comp_id, now)
        audit.record(tx, admin, client, Action("trip.contact", "comp", comp_id, {}), now)
    return AdminTrip(**vars(_locked(tx, comp_id)))


@api.post("/v1/admin/trips/{comp_id}/chip-mailed", problems=(rules.TripStepNotNext,))
def mail_chip(tx: Tx, admin: Operations, comp_id: UUID, body: ChipParcel, client: Client, now: datetime) -> AdminTrip:
    """The chip is on its way; the member is told. Harmless twice: the first tracking number stays."""
    trip = _locked(tx, comp_id)
    if rules.is_next(trip.state, "chip_mailed"):
        store.chip_mailed(tx, comp_id, body.tracking_number, now)
        audit.record(tx, admin, client, Action("trip.chip", "comp", comp_id, body.model_dump()), now)
        text = f"Its tracking number is {body.tracking_number}."
        data = {"comp_id": str(comp_id), "tracking_number": body.tracking_number}
        note = Note(trip.member_uuid, "comp", "Your gold chip is on its way", text, data, f"trip-chip:{comp_id}")
        notifications.notify(tx, note, now)
    return AdminTrip(**vars(_locked(tx, comp_id)))


def _locked(tx: Tx, comp_id: UUID) -> store.Trip:
    """Raises NotFound."""
    store.lock(tx, comp_id)
    found = store.trips(tx, None, comp_id, after=None, limit=1)
    if not found:
        raise NotFound
    return found[0]
