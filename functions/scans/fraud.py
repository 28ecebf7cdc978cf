"""What makes people look at a scan (rulings section 3). A flag refuses nothing: what the scan wins waits for them."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

EARTH_KILOMETRES = 6371.0
TRAVEL_KM_PER_HOUR_MAX = 1_000.0  # an airliner, from door to door
TRAVEL_KM_MIN = 100.0  # positions by network are wrong by so much
BURST_SCANS = 40  # in a minute: faster than hands open tins
GUESSES_SUSPICIOUS = 10  # wrong codes within the clock hour, and then a good one
RETRIES_SUSPICIOUS = 3  # others who try a used code: two tins with one code, or a list that goes round


class Flag(StrEnum):
    """Why a scan was flagged."""

    IMPOSSIBLE_TRAVEL = "impossible_travel"
    BURST = "burst"
    GUESSING = "guessing"
    HONEY_CODE = "honey_code"
    MANY_DEVICES = "many_devices"


@dataclass(frozen=True)
class Place:
    """Where a member was, in degrees (WGS 84), and when."""

    at: datetime
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Evidence:
    """What is known when a scan is accepted; `last_minute` counts it too."""

    last_minute: int
    wrong_codes: int
    tried_honey: bool
    before: Place | None
    here: Place | None


def flags(evidence: Evidence) -> dict[Flag, dict[str, object]]:
    """The flags of a scan, each with the figures that it rests on."""
    found: dict[Flag, dict[str, object]] = {}
    if evidence.before and evidence.here and (travel := _impossible(evidence.before, evidence.here)):
        found[Flag.IMPOSSIBLE_TRAVEL] = travel
    if evidence.last_minute >= BURST_SCANS:
        found[Flag.BURST] = {"scans_in_a_minute": evidence.last_minute}
    if evidence.wrong_codes >= GUESSES_SUSPICIOUS:
        found[Flag.GUESSING] = {"wrong_codes": evidence.wrong_codes}
    if evidence.tried_honey:
        found[Flag.HONEY_CODE] = {}
    return found


def kilometres(one: Place, other: Place) -> float:
    """The great circle between two places (haversine formula)."""
    north, other_north = math.radians(one.latitude), math.radians(other.latitude)
    east = math.radians(other.longitude - one.longitude)
    chord = math.sin((other_north - north) / 2) ** 2 + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
    return 2 * EARTH_KILOMETRES * math.asin(min(1.0, math.sqrt(chord)))


def _impossible(before: Place, here: Place) -> dict[str, object] | None:
    distance = kilometres(before, here)
    hours = max((here.at - before.at).total_seconds(), 1.0) / 3600
    if distance < TRAVEL_KM_MIN or distance / hours <= TRAVEL_KM_PER_HOUR_MAX:
        return None
    return {"kilometres": round(distance), "minutes": round(hours * 60)}
