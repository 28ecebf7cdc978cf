"""HTTP for members: the prizes and how far they are, the trip that was won (docs/product.md, "Prizes", "Trips")."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from flask import Request, Response
from pydantic import StringConstraints

from functions.comps import rules, store
from functions.comps.rules import State
from shared import settings
from shared.api import Api
from shared.auth import Member
from shared.comps import award_inputs, awards, trip_places
from shared.db import Tx
from shared.messages import mails, notifications, texts
from shared.messages.mails import Letter
from shared.scans import counter
from shared.values import tiers
from shared.values.fields import LINE, Body, Listing, Money, Reply
from shared.values.prizes import CompType, Destination, Rule
from shared.values.problems import NotFound
from shared.values.tiers import Tier

api = Api("comps")


def comps(request: Request) -> Response:
    return api.handle(request)


class Prize(Reply):
    """A prize of the global count. `next_number` is the next scan number that can win it.

    `progress_text` and `message` are set while it is locked, in English; they are the texts `prize_progress` and
    `prize_unlocks_at` with these `params`. `package` lists what a casino comp holds; `trips_left` is how many trips
    this month's sales still allow.
    """

    type: CompType
    interval: int
    tier: Tier
    amount: Money
    unlocked: bool
    percent: int
    progress_text: str | None
    message: str | None
    params: dict[str, Any]
    next_number: int
    trips_left: int | None
    package: list[str] | None


class TripDestination(Reply):
    """A destination that the winner of a trip may choose; the value is in USD."""

    key: str
    title: str
    value: Money


class ChosenDestination(TripDestination):
    """The destination that the winner has chosen, as it was offered then."""


class TripChoice(Body):
    """The key of the chosen destination."""

    destination: Annotated[str, StringConstraints(min_length=1, max_length=60), LINE]


class Trip(Reply):
    """A trip that was won; `state` says whether it is to be chosen, chosen, with the concierge, or its chip was
    mailed.
    """

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


@api.get("/v1/comps/prizes", problems=(counter.CountIsBeingCompared,))
def list_prizes(tx: Tx, member: Member, now: datetime) -> Listing[Prize]:
    """List all prizes of the global count on one page, locked or not."""
    given, inputs = counter.shown(tx), award_inputs.in_force(tx)
    state = State(given, inputs.tins_per_month, trip_places.this_month(tx, now))
    prizes = sorted(inputs.prizes, key=lambda rule: (rule.interval, list(CompType).index(rule.type)))
    items = [_prize(rule, rules.progress(rule, state)) for rule in prizes]
    return Listing[Prize](items=items, next_cursor=None)


@api.get("/v1/comps/trips/destinations")
def list_destinations(tx: Tx, member: Member) -> Listing[TripDestination]:
    """List all destinations on one page, the most expensive first."""
    offered = sorted(settings.load(tx).trip_destinations, key=lambda one: -one.value.micro)
    return Listing[TripDestination](items=[_destination(one) for one in offered], next_cursor=None)


@api.get("/v1/comps/trips")
def list_trips(tx: Tx, member: Member) -> Listing[Trip]:
    """List the trips that the member has won, newest first, on one page."""
    return Listing[Trip](items=[_trip(row) for row in store.trips(tx, member.id, None)], next_cursor=None)


@api.get("/v1/comps/trips/{comp_id}")
def get_trip(tx: Tx, member: Member, comp_id: UUID) -> Trip:
    """Return one of the member's own trips."""
    return _trip(_own(tx, member, comp_id))


@api.post(
    "/v1/comps/trips/{comp_id}/choose",
    problems=(rules.DestinationUnknown, rules.TripChosen, rules.TripNotReady),
)
def choose_trip(tx: Tx, member: Member, comp_id: UUID, body: TripChoice, now: datetime) -> Trip:
    """Choose the destination, once; the concierge books it. The same choice again is harmless."""
    store.lock(tx, comp_id)
    trip = _own(tx, member, comp_id)
    if rules.check_choice(trip.status, trip.destination, body.destination):
        wanted = rules.destination(body.destination, settings.load(tx).trip_destinations)
        store.choose(tx, comp_id, wanted, now)
        awards.match(tx, comp_id, wanted.value, now)
        _tell(tx, member, comp_id, wanted, now)
    return _trip(_own(tx, member, comp_id))


def _own(tx: Tx, member: Member, comp_id: UUID) -> store.Trip:
    """The member's own trip. Raises NotFound, also for another member's trip."""
    found = store.trips(tx, member.id, comp_id)
    if not found:
        raise NotFound
    return found[0]


def _tell(tx: Tx, member: Member, comp_id: UUID, chosen: Destination, now: datetime) -> None:
    """Mail the concierge, and notify the member in the app."""
    winner = store.winner(tx, member.id)
    parameters = {
        "member_id": tiers.member_id(member.number, member.tier),
        "name": winner.full_name,
        "email": winner.email,
        "phone": winner.phone or "none given",
        "destination": chosen.title,
        "value": str(chosen.value),
        "comp_id": str(comp_id),
    }
    key = f"trip-chosen:{comp_id}"
    address = settings.load(tx).concierge_email
    mails.queue(tx, Letter(address, "Concierge", "trip_chosen", parameters, key), now)
    data = {"comp_id": str(comp_id), "destination": chosen.key}
    note = notifications.note(member.id, "trip_destination_chosen", data, key, destination=chosen.title)
    notifications.notify(tx, note, now)


def _prize(terms: Rule, progress: rules.Progress) -> Prize:
    package = list(texts.casino_package(terms.amount)) if terms.type is CompType.CASINO else None
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
