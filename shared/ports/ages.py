"""AgeChecker: whether a person is 21, from name, address and date of birth, else from a photo of their ID.

AGECHECKER_URL (https://api.agechecker.net unless given), AGECHECKER_KEY (of our site), AGECHECKER_SECRET (of our
account; it signs the callbacks too: `age_notices`), AGECHECKER_CALLBACK_URL (none unless given). Server API, to be read
with a login: https://agechecker.net/account

- It knows no key of ours: a check that got no answer is begun anew, and the former one may still send a callback. Both
  carry the check's id in their metadata, so that either may be taken, and nobody else's.
- A check that was denied may be accepted later, when the person sends a better picture.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from shared.ports import age_notices, outcomes, vendors
from shared.ports.vendors import VendorFailure, VendorMisconfigured, VendorRefused, VendorReply, VendorSilent

URL_DEFAULT = "https://api.agechecker.net"
BUYER_AGE_MIN = 21
CHECK_ID = "check_id"
NOT_CREATED = "not_created"  # also the beginning of our own reference for a check that the vendor refused to create
NOT_FOUND = "uuid_not_found"
OUR_KEYS_WRONG = frozenset({"invalid_token", "invalid_key", "invalid_secret"})  # it answers 400, not 401

Standing = Literal["pending", "accepted", "denied"]
DENIED: Standing = "denied"
STANDINGS: Mapping[str, Standing] = {
    "accepted": "accepted",
    "denied": "denied",
    "signature": "pending",
    "photo_id": "pending",
    "phone_validation": "pending",
    "sms_sent": "pending",
    "pending": "pending",
}


@dataclass(frozen=True)
class Person:
    """The person to be checked, as their ID and their address have it."""

    first_name: str
    last_name: str
    address: str
    city: str
    state: str
    zip: str
    country: str
    born_on: date
    email: str | None = None

    def __repr__(self) -> str:
        return "Person(...)"  # it must not get into a log


@dataclass(frozen=True)
class AgeCheck:
    """A check as it stands. `check_id` is ours, from the metadata that we gave; None when somebody else began it.

    `url` is the vendor's page where the person goes on, if it named one; the popup takes the reference instead.
    """

    reference: str
    status: Standing
    reason: str | None
    check_id: UUID | None
    url: str | None = field(default=None, repr=False)


def begin(check_id: UUID, person: Person) -> AgeCheck:
    """Begin a check; most are decided at once. Raises VendorSilent, VendorRefused, VendorMisconfigured.

    The vendor creates none for who is too young by their own date of birth, or banned, or where it may not check: that
    is a denial too, under a reference of ours.
    """
    options: dict[str, object] = {"min_age": BUYER_AGE_MIN, "metadata": {CHECK_ID: str(check_id)}}
    if callback := os.environ.get("AGECHECKER_CALLBACK_URL"):
        options["callback_url"] = callback
    asked = {
        "key": os.environ["AGECHECKER_KEY"],
        "secret": _shown_secret(),
        "data": _data(person),
        "options": options,
    }
    body = _accepted(_ask("POST", "/v1/create", asked))
    try:
        if body["status"] == NOT_CREATED:
            return AgeCheck(f"{NOT_CREATED}-{check_id}", DENIED, NOT_CREATED, check_id)
        return _check(age_notices.reference(body["uuid"]), body, check_id)
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def look(reference: str) -> AgeCheck:
    """Look a check up by the vendor's reference, which may come from anybody: `check_id` says whose it is.

    Raises VendorRefused("uuid_not_found") when there is none of our site, VendorSilent, VendorMisconfigured.
    """
    if not age_notices.REFERENCE.fullmatch(reference):
        raise VendorRefused(NOT_FOUND)
    if reference.startswith(f"{NOT_CREATED}-"):
        check_id = vendors.own_id(reference.removeprefix(f"{NOT_CREATED}-"))
        return AgeCheck(reference, DENIED, NOT_CREATED, check_id)
    site = os.environ["AGECHECKER_KEY"]
    body = _accepted(_ask("GET", f"/v1/status/{quote(reference, safe='')}"))
    try:
        if body["key"] != site:
            raise VendorRefused(NOT_FOUND)
        metadata = body.get("metadata")
        check_id = vendors.own_id(metadata.get(CHECK_ID)) if isinstance(metadata, dict) else None
        return _check(reference, body, check_id)
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _data(person: Person) -> dict[str, object]:
    told: dict[str, object] = {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "address": person.address,
        "city": person.city,
        "state": person.state,
        "zip": person.zip,
        "country": person.country,
        "dob_day": person.born_on.day,
        "dob_month": person.born_on.month,
        "dob_year": person.born_on.year,
    }
    return told | ({"email": person.email} if person.email else {})


def _shown_secret() -> str:
    """The secret that goes out with requests: the first one, while it is rotated and there are two."""
    return os.environ["AGECHECKER_SECRET"].partition(",")[0].strip()


def _ask(method: str, path: str, body: object = None) -> VendorReply:
    url = os.environ.get("AGECHECKER_URL", URL_DEFAULT) + path
    with outcomes.asking("agechecker", VendorFailure):
        return vendors.ask(method, url, {"X-AgeChecker-Secret": _shown_secret()}, body)


def _accepted(reply: VendorReply) -> Mapping[str, Any]:
    """The answer's body. Raises VendorRefused for an error in AgeChecker's own words, VendorSilent for another."""
    error = reply.body.get("error")
    if reply.ok and error is None:
        return reply.body
    if not isinstance(error, dict) or "code" not in error:
        raise VendorSilent(str(reply.status))
    code = vendors.slug(error["code"])
    if code in OUR_KEYS_WRONG:
        raise VendorMisconfigured(code)
    raise VendorRefused(code)


def _check(reference: str, body: Mapping[str, Any], check_id: UUID | None) -> AgeCheck:
    standing = STANDINGS[body["status"]]
    reason = vendors.slug(body.get("reason")) if standing == DENIED else None
    link = body.get("link")
    return AgeCheck(reference, standing, reason, check_id, None if link is None else vendors.page_url(link))
