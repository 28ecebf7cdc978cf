"""Card payments: money is held (authorize), taken (capture), let go (void) and given back (refund), each under our key.

CARD_URL, CARD_API_KEY. No processor is chosen yet: this speaks to the test provider of
`emulators/card.py`, and the default address leads nowhere. An adapter for a real one keeps this interface:

- A repetition of a key gives the first answer, for 24 hours; later it would be done again, so look it up instead.
- `find` knows a key for ever. A processor that cannot be asked by our key cannot be used.
- Amounts travel in whole cents.
- A notice about a dispute names it; the dispute names the key of the capture.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

from shared.ports import outcomes, vendors
from shared.ports.vendors import VendorFailure, VendorRefused, VendorReply, VendorSilent
from shared.values import encoding
from shared.values.money import Usdt
from shared.values.states import DisputeState

URL_DEFAULT = "https://card.invalid"
CURRENCY = "usd"
CHARGE_DISPUTED = "charge_disputed"  # the reason why a refund is refused while the payment is disputed
UNKNOWN = "operation_unknown"
DISPUTE_UNKNOWN = "dispute_unknown"

Kind = Literal["authorize", "capture", "void", "refund"]
KINDS: Mapping[str, Kind] = {"authorize": "authorize", "capture": "capture", "void": "void", "refund": "refund"}
BookedKind = Kind | Literal["dispute", "dispute_reversal"]
BOOKED: Mapping[str, BookedKind] = {**KINDS, "dispute": "dispute", "dispute_reversal": "dispute_reversal"}


@dataclass(frozen=True)
class Done:
    """It is done. `reference` is the processor's: captures and voids name an authorization's, refunds a capture's.

    `amount` is the processor's word too, and may be less than what was asked for: compare it.
    """

    reference: str
    amount: Usdt


@dataclass(frozen=True)
class Declined:
    """It was decided against, for good: the key's answer stays this one."""

    reason: str


@dataclass(frozen=True)
class ActionNeeded:
    """The cardholder has to confirm the authorization on their bank's page."""

    url: str = field(repr=False)


@dataclass(frozen=True)
class Working:
    """It is accepted and still undecided: `find` tells later."""


@dataclass(frozen=True)
class Ended:
    """An authorization that was abandoned, or expired before a capture: no money is held."""


Answer = Done | Declined | ActionNeeded | Working | Ended


@dataclass(frozen=True)
class Settled:
    """A booking of the processor; `fee` is what it keeps for itself. Each `reference` stands once, on one day.

    `key` is None for what was not asked for by us, such as a refund by hand on the processor's own pages. `dispute` is
    the processor's name of the dispute for which it took the amount (`dispute`), or gave it back (`dispute_reversal`).
    """

    key: UUID | None
    kind: BookedKind
    reference: str
    amount: Usdt
    fee: Usdt
    dispute: str | None = None


@dataclass(frozen=True)
class Deposit:
    """A transfer of the processor to our bank; negative when it took money back."""

    reference: str
    amount: Usdt
    at: datetime


@dataclass(frozen=True)
class SettledPage:
    """Some of a day's bookings; `cursor` asks for the next ones, and is None on the last page."""

    operations: list[Settled]
    deposits: list[Deposit]
    cursor: str | None


@dataclass(frozen=True)
class Dispute:
    """A buyer's bank disputes a capture of ours. `key` is the capture's; `withdrawn` is what the processor has taken
    from us for it now, and at most `amount`. Evidence is taken until `evidence_by`.
    """

    reference: str
    key: UUID | None
    amount: Usdt
    withdrawn: Usdt
    state: DisputeState
    reason: str
    evidence_by: datetime | None
    opened_at: datetime


@dataclass(frozen=True)
class DisputePage:
    """Some disputes; `cursor` asks for the next ones, and is None on the last page."""

    disputes: list[Dispute]
    cursor: str | None


def authorize(key: UUID, amount: Usdt, token: str) -> Answer:
    """Hold the amount on the card of the token. Raises VendorSilent, VendorRefused, VendorMisconfigured."""
    return _do(key, "authorize", {"amount": vendors.cents(amount), "currency": CURRENCY, "source": token})


def capture(key: UUID, of: str, amount: Usdt) -> Answer:
    """Take the amount that the authorization `of` holds. Raises VendorSilent, VendorRefused, VendorMisconfigured."""
    return _do(key, "capture", {"authorization": of, "amount": vendors.cents(amount), "currency": CURRENCY})


def void(key: UUID, of: str) -> Answer:
    """Let go of what the authorization `of` holds; done as well when it has lapsed meanwhile.

    Raises VendorSilent, VendorRefused, VendorMisconfigured.
    """
    return _do(key, "void", {"authorization": of})


def refund(key: UUID, of: str, amount: Usdt) -> Answer:
    """Give back some of what the capture `of` took. Raises VendorSilent, VendorRefused, VendorMisconfigured."""
    return _do(key, "refund", {"capture": of, "amount": vendors.cents(amount), "currency": CURRENCY})


def abandon(key: UUID) -> Answer:
    """End the authorization of this key if nobody has finished it; its answer decides.

    Ended: it never will hold money, even if its first request arrives only now. Done: it was finished before. Working:
    the bank decides just now. Raises VendorSilent, VendorRefused, VendorMisconfigured.
    """
    return _answer(_accepted(_ask("POST", f"/v1/operations/{key}/abandon", {})), key, "authorize")


def find(key: UUID) -> Answer | None:
    """The present answer of the key; None when the processor has never heard of it.

    Raises VendorSilent, VendorRefused, VendorMisconfigured.
    """
    reply = _ask("GET", f"/v1/operations/{key}")
    if reply.status == HTTPStatus.NOT_FOUND and _code(reply) == UNKNOWN:
        return None
    return _answer(_accepted(reply), key, None)


def settled(day: date, cursor: str | None = None) -> SettledPage:
    """A page of what was booked on that day in UTC. Raises VendorSilent, VendorRefused, VendorMisconfigured."""
    from urllib.parse import urlencode

    asked = {"day": day.isoformat()} | ({"cursor": cursor} if cursor else {})
    body = _accepted(_ask("GET", f"/v1/settlements?{urlencode(asked)}"))
    try:
        told = body["next_cursor"]
        return SettledPage(
            [_settled(each) for each in body["operations"]],
            [_deposit(each) for each in body["deposits"]],
            None if told is None else vendors.identifier(told),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def dispute(reference: str) -> Dispute | None:
    """The dispute as it is now; None when the processor has never heard of it.

    Raises VendorSilent, VendorRefused, VendorMisconfigured.
    """
    from urllib.parse import quote

    reply = _ask("GET", f"/v1/disputes/{quote(reference, safe='')}")
    if reply.status == HTTPStatus.NOT_FOUND and _code(reply) == DISPUTE_UNKNOWN:
        return None
    try:
        told = _dispute(_accepted(reply))
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None
    if told.reference != reference:
        raise VendorSilent("the answer is about another dispute")
    return told


def disputes(since: datetime, cursor: str | None = None) -> DisputePage:
    """A page of the disputes that have changed since then. Raises VendorSilent, VendorRefused, VendorMisconfigured."""
    from urllib.parse import urlencode

    asked = {"since": encoding.moment(since)} | ({"cursor": cursor} if cursor else {})
    body = _accepted(_ask("GET", f"/v1/disputes?{urlencode(asked)}"))
    try:
        told = body["next_cursor"]
        return DisputePage(
            [_dispute(each) for each in body["disputes"]], None if told is None else vendors.identifier(told)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _do(key: UUID, kind: Kind, asked: Mapping[str, object]) -> Answer:
    return _answer(_accepted(_ask("POST", f"/v1/operations/{key}", {"kind": kind, **asked})), key, kind)


def _ask(method: str, path: str, body: object = None) -> VendorReply:
    headers = {"authorization": f"Bearer {os.environ['CARD_API_KEY']}"}
    with outcomes.asking("card", VendorFailure):
        return vendors.ask(method, os.environ.get("CARD_URL", URL_DEFAULT) + path, headers, body)


def _accepted(reply: VendorReply) -> Mapping[str, Any]:
    """The answer's body. Raises VendorRefused for the processor's own refusal, VendorSilent for anybody else's.

    A conflict says that the key is in use, by a request still under way or for other terms: what became of that one is
    not known, and `find` tells.
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


def _answer(body: Mapping[str, Any], key: UUID, kind: Kind | None) -> Answer:
    """The answer for this key. Raises VendorSilent when it is about another one."""
    try:
        if body["key"] != str(key) or KINDS[body["kind"]] != (kind or body["kind"]):
            raise VendorSilent("the answer is about another operation")
        read = ANSWERS.get(body["status"])
        if read is None:
            raise VendorSilent("the answer has a status that is new to us")
        answer: Answer = read(body)
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None
    return answer


def _done(body: Mapping[str, Any]) -> Answer:
    return Done(vendors.identifier(body["id"]), vendors.paid_cents(body["amount"]))


def _action(body: Mapping[str, Any]) -> Answer:
    return ActionNeeded(vendors.page_url(body["next_action"]["url"]))


ANSWERS: Mapping[str, Any] = {
    "succeeded": _done,
    "declined": lambda body: Declined(vendors.slug(body["reason"])),
    "requires_action": _action,
    "processing": lambda _: Working(),
    "ended": lambda _: Ended(),
}


def _settled(told: Mapping[str, Any]) -> Settled:
    amount, fee = vendors.paid_cents(told["amount"]), vendors.paid_cents(told["fee"])
    kind, about = BOOKED[told["kind"]], told.get("dispute")
    if kind not in KINDS and about is None:
        raise ValueError("no dispute")
    return Settled(
        key=vendors.own_id(told["key"]),
        kind=kind,
        reference=vendors.identifier(told["id"]),
        amount=amount,
        fee=fee,
        dispute=None if about is None else vendors.identifier(about),
    )


def _dispute(told: Mapping[str, Any]) -> Dispute:
    amount, withdrawn = vendors.paid_cents(told["amount"]), vendors.paid_cents(told["withdrawn"])
    if withdrawn > amount:
        raise ValueError("more was withdrawn than is disputed")
    return Dispute(
        reference=vendors.identifier(told["id"]),
        key=vendors.own_id(told["key"]),
        amount=amount,
        withdrawn=withdrawn,
        state=DisputeState(told["status"]),
        reason=vendors.slug(told["reason"]),
        evidence_by=None if told["evidence_by"] is None else vendors.moment(told["evidence_by"]),
        opened_at=vendors.moment(told["opened_at"]),
    )


def _deposit(told: Mapping[str, Any]) -> Deposit:
    return Deposit(vendors.identifier(told["id"]), vendors.from_cents(told["amount"]), vendors.moment(told["at"]))
