"""HTTP: open the spend card's widget, and remember what it told the app (plan section "Oobit Integration")."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from flask import Request, Response
from pydantic import StringConstraints

from functions.oobit import rules, store
from functions.oobit.rules import CardServiceUnavailable, TooManyCardTokens
from shared import auth, db, log
from shared.api import Api
from shared.auth import Claims, Member
from shared.db import Tx
from shared.fields import Body, Reply
from shared.ports import oobit as oobit_port
from shared.ports.oobit import OobitMisconfigured, OobitUnavailable, WidgetToken
from shared.problems import Problem

MISCONFIGURED_RETRY_SECONDS = 300
CardStatus = Literal["pending", "active", "declined", "closed"]

api = Api("oobit")


def oobit(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class OobitToken(Reply):
    """What the widget is opened with, before `expires_at`."""

    token: str
    expires_at: datetime


class OobitCard(Reply):
    """The card as the app has told us last; null when there is none yet."""

    card_id: str | None
    status: CardStatus | None


class OobitCardReport(Body):
    """What the widget told the app."""

    card_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    status: CardStatus


@dataclass(frozen=True)
class Asked:
    """What Oobit gave, or what is to be said instead."""

    token: WidgetToken | None
    problem: Problem | None = None


def ask_oobit(claims: Claims, now: datetime) -> Asked:
    """For a member whose session lives, and who has not had too many already."""
    if db.atomically(lambda tx: _tokens_had(tx, claims, now)) >= rules.TOKENS_PER_HOUR_MAX:
        return Asked(None, rules.too_many(now))
    try:
        return Asked(oobit_port.create_token())
    except OobitMisconfigured as fault:
        log.error("Oobit refuses our key", reason=str(fault))
        return Asked(None, _unavailable(MISCONFIGURED_RETRY_SECONDS))
    except OobitUnavailable as fault:
        log.warning("Oobit does not answer", reason=str(fault))
        return Asked(None, _unavailable(fault.retry_after_seconds))


@api.post(
    "/v1/oobit/create-token",
    status=201,
    before=ask_oobit,
    secret_reply=True,
    problems=(CardServiceUnavailable, TooManyCardTokens),
)
def create_oobit_token(tx: Tx, member: Member, asked: Asked, now: datetime) -> OobitToken:
    """A token for the widget, in which the member activates and uses the card. We keep nothing of it."""
    if asked.token is None:
        assert asked.problem, "no token has a reason"
        raise asked.problem
    if store.count_token(tx, member.id, rules.hour_of(now)) > rules.TOKENS_PER_HOUR_MAX:
        raise rules.too_many(now)  # asked for at the same moment as others
    return OobitToken(token=asked.token.token, expires_at=asked.token.expires_at)


@api.get("/v1/oobit/card")
def get_oobit_card(tx: Tx, member: Member) -> OobitCard:
    """How far the card is."""
    return OobitCard.model_validate(vars(store.card(tx, member.id)))


@api.put("/v1/oobit/card")
def put_oobit_card(tx: Tx, member: Member, body: OobitCardReport, now: datetime) -> OobitCard:
    """Remember what the widget told the app."""
    store.keep_card(tx, member.id, store.Card(body.card_id, body.status), now)
    return OobitCard(card_id=body.card_id, status=body.status)


def _tokens_had(tx: Tx, claims: Claims, now: datetime) -> int:
    """Raises what refuses the caller."""
    return store.tokens_had(tx, auth.member(tx, claims, now).id, rules.hour_of(now))


def _unavailable(seconds: int) -> CardServiceUnavailable:
    return CardServiceUnavailable(headers={"Retry-After": str(seconds)})
