"""Decides which scans people have to look at (docs/product.md, "Flagged scans").

A flag refuses nothing: the scan's comps wait for a person.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

EARTH_KILOMETRES = 6371.0
LATITUDE_MAX, LONGITUDE_MAX = 90.0, 180.0
TRAVEL_KM_PER_HOUR_MAX = 1_000.0  # an airliner, from door to door
TRAVEL_KM_MIN = 100.0  # positions taken from a network can be that far off
BURST_SCANS = 40  # in a minute: faster than hands can open tins
GUESSES_SUSPICIOUS = 10  # wrong codes of the member within the clock hour, before a valid one
NETWORK_GUESSES_SUSPICIOUS = 300  # by all members in the network, which neighbours share
RETRIES_SUSPICIOUS = 3  # others who try a used code: two tins have one code, or a list of codes is shared


class Flag(StrEnum):
    """Why a scan was flagged."""

    IMPOSSIBLE_TRAVEL = "impossible_travel"
    BURST = "burst"
    GUESSING = "guessing"
    HONEY_CODE = "honey_code"
    MANY_DEVICES = "many_devices"


@dataclass(frozen=True)
class Location:
    """Where a member was, in degrees (WGS 84), and when."""

    at: datetime
    latitude: float
    longitude: float


@dataclass(frozen=True)
class FraudEvidence:
    """The facts when a scan is accepted; `last_minute` counts this scan, too. Wrong codes are those of the
    clock hour.
    """

    last_minute: int
    wrong_codes: int
    network_wrong_codes: int
    tried_honey: bool
    before: Location | None
    here: Location | None


def flags(evidence: FraudEvidence) -> dict[Flag, dict[str, object]]:
    """The flags of a scan, each with the figures behind it."""
    found: dict[Flag, dict[str, object]] = {}
    if evidence.before and evidence.here and (travel := _impossible(evidence.before, evidence.here)):
        found[Flag.IMPOSSIBLE_TRAVEL] = travel
    if evidence.last_minute >= BURST_SCANS:
        found[Flag.BURST] = {"scans_in_a_minute": evidence.last_minute}
    if evidence.wrong_codes >= GUESSES_SUSPICIOUS:
        found[Flag.GUESSING] = {"wrong_codes": evidence.wrong_codes}
    elif evidence.network_wrong_codes >= NETWORK_GUESSES_SUSPICIOUS:
        found[Flag.GUESSING] = {"wrong_codes_of_the_network": evidence.network_wrong_codes}
    if evidence.tried_honey:
        found[Flag.HONEY_CODE] = {}
    return found


def is_on_earth(latitude: float, longitude: float) -> bool:
    """Whether the coordinates exist; in degrees."""
    return abs(latitude) <= LATITUDE_MAX and abs(longitude) <= LONGITUDE_MAX


def kilometres(one: Location, other: Location) -> float:
    """The great-circle distance between two places, in kilometres (haversine formula)."""
    north, other_north = math.radians(one.latitude), math.radians(other.latitude)
    east = math.radians(other.longitude - one.longitude)
    chord = math.sin((other_north - north) / 2) ** 2 + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
    return 2 * EARTH_KILOMETRES * math.asin(min(1.0, math.sqrt(chord)))


def _impossible(before: Location, here: Location) -> dict[str, object] | None:
    distance = kilometres(before, here)
    hours = max((here.at - before.at).total_seconds(), 1.0) / 3600
    if distance < TRAVEL_KM_MIN or distance / hours <= TRAVEL_KM_PER_HOUR_MAX:
        return None
    return {"kilometres": round(distance), "minutes": round(hours * 60)}
