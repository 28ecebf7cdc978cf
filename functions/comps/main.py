"""HTTP for members: the prizes and how far they are, the trip that was won (plan section "Comp Award System")."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from flask import Request, Response
from pydantic import StringConstraints

from functions.comps import rules, store
from functions.comps.rules import Terms
from shared import comps as awards
from shared import mails, notifications, settings, tiers
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.fields import Body, Listing, Money, Reply
from shared.mails import Letter
from shared.notifications import Note
from shared.prizes import CompType, Destination, casino_package, dollars
from shared.problems import NotFound
from shared.tiers import Tier

api = Api("comps")


def comps(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class Prize(Reply):
    """A prize of the global count. `next_number` is the next scan number that stands for it.

    `progress_text` and `message` are there while it is locked; `package` tells what a casino comp holds;
    `trips_left` how many trips this month's sales still allow.
    """

    type: CompType
    interval: int
    tier: Tier
    amount: Money
    unlocked: bool
    percent: int
    progress_text: str | None
    message: str | None
    next_number: int
    trips_left: int | None
    package: list[str] | None


class TripDestination(Reply):
    """What the winner of a trip may choose; the value is in USD."""

    key: str
    title: str
    value: Money


class ChosenDestination(TripDestination):
    """What the winner has chosen, as it was offered."""


class TripChoice(Body):
    """The key of the destination."""

    destination: Annotated[str, StringConstraints(min_length=1, max_length=60)]


class Trip(Reply):
    """A trip that was won: to be chosen, chosen, with the concierge, and its commemorative chip on its way."""

    comp_id: UUID
    status: str
    awarded_at: datetime
    scan_number: int | None
    destination: ChosenDestination | None
    state: str
    chosen_at: datetime | None
    concierge_contacted_at: datetime | None
    chip_mailed_at: datetime | None
    tracking_number: str | None


@api.get("/v1/comps/prizes")
def list_prizes(tx: Tx, member: Member, now: datetime) -> Listing[Prize]:
    """All prizes of the global count on one page, locked or not."""
    state = store.state(tx, now)
    items = [_prize(terms, rules.progress(terms, state)) for terms in store.terms(tx)]
    return Listing[Prize](items=items, next_cursor=None)


@api.get("/v1/comps/trips/destinations")
def list_destinations(tx: Tx, member: Member) -> Listing[TripDestination]:
    """All of them on one page, dearest first."""
    offered = sorted(settings.load(tx).trip_destinations, key=lambda one: -one.value.micro)
    return Listing[TripDestination](items=[_destination(one) for one in offered], next_cursor=None)


@api.get("/v1/comps/trips")
def list_trips(tx: Tx, member: Member) -> Listing[Trip]:
    """The trips that the member has won, newest first, on one page."""
    return Listing[Trip](items=[_trip(row) for row in store.trips(tx, member.id, None)], next_cursor=None)


@api.get("/v1/comps/trips/{comp_id}")
def get_trip(tx: Tx, member: Member, comp_id: UUID) -> Trip:
    """One of the member's own."""
    return _trip(_own(tx, member, comp_id))


@api.post(
    "/v1/comps/trips/{comp_id}/choose",
    problems=(rules.DestinationUnknown, rules.TripChosen, rules.TripNotReady),
)
def choose_trip(tx: Tx, member: Member, comp_id: UUID, body: TripChoice, now: datetime) -> Trip:
    """Choose the destination, once; the concierge takes it from there. The same choice again is harmless."""
    store.lock(tx, comp_id)
    trip = _own(tx, member, comp_id)
    if rules.check_choice(trip.status, trip.destination, body.destination):
        wanted = rules.destination(body.destination, settings.load(tx).trip_destinations)
        store.choose(tx, comp_id, wanted, now)
        awards.match(tx, comp_id, wanted.value, now)
        _tell(tx, member, comp_id, wanted, now)
    return _trip(_own(tx, member, comp_id))


def _own(tx: Tx, member: Member, comp_id: UUID) -> store.Trip:
    """Raises NotFound, also for somebody else's."""
    found = store.trips(tx, member.id, comp_id)
    if not found:
        raise NotFound
    return found[0]


def _tell(tx: Tx, member: Member, comp_id: UUID, chosen: Destination, now: datetime) -> None:
    """The concierge by mail, the member in the app."""
    winner = store.winner(tx, member.id)
    parameters = {
        "member_id": tiers.member_id(member.number, member.tier),
        "name": winner.full_name,
        "email": winner.email,
        "phone": winner.phone or "none given",
        "destination": chosen.title,
        "value": dollars(chosen.value),
        "comp_id": str(comp_id),
    }
    key = f"trip-chosen:{comp_id}"
    address = settings.load(tx).concierge_email
    mails.queue(tx, Letter(address, "Concierge", "trip_chosen", parameters, key), now)
    body = "Our concierge will call you to settle the details."
    data = {"comp_id": str(comp_id), "destination": chosen.key}
    notifications.notify(tx, Note(member.id, "comp", f"{chosen.title} it is!", body, data, key), now)


def _prize(terms: Terms, progress: rules.Progress) -> Prize:
    package = list(casino_package(terms.amount)) if terms.type is CompType.CASINO else None
    return Prize(
        type=terms.type,
        interval=terms.interval,
        tier=terms.tier,
        amount=terms.amount,
        **vars(progress),
        package=package,
    )


def _destination(one: Destination) -> TripDestination:
    return TripDestination(key=one.key, title=one.title, value=one.value)


def _trip(row: store.Trip) -> Trip:
    chosen = None
    if row.destination is not None and row.title is not None and row.value is not None:
        chosen = ChosenDestination(key=row.destination, title=row.title, value=row.value)
    return Trip(
        comp_id=row.comp_id,
        status=row.status,
        awarded_at=row.awarded_at,
        scan_number=row.scan_number,
        destination=chosen,
        state=row.state or "to_be_chosen",
        chosen_at=row.chosen_at,
        concierge_contacted_at=row.concierge_contacted_at,
        chip_mailed_at=row.chip_mailed_at,
        tracking_number=row.tracking_number,
    )
