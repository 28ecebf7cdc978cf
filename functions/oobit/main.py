"""HTTP: open the spend card's widget, and remember what it told the app (docs/product.md, "Spend card")."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from flask import Request, Response

from functions.oobit import rules, store
from functions.oobit.rules import CardServiceUnavailable, TooManyCardTokens
from functions.oobit.store import CardStatus, OobitCard
from shared import log
from shared.api import Api
from shared.auth import Claims, Member
from shared.db import Tx
from shared.ports import oobit as oobit_port
from shared.ports.oobit import OobitMisconfigured, OobitUnavailable, WidgetToken
from shared.values import retry_after
from shared.values.fields import Body, Reply, Shape
from shared.values.problems import Problem
from shared.web.quotas import Limit, Quota

api = Api("oobit")


def oobit(request: Request) -> Response:
    return api.handle(request)


class OobitToken(Reply):
    """The token that opens the widget, before `expires_at`."""

    token: str
    expires_at: datetime


class OobitCardReport(Body):
    """The card's id and status, which the widget told the app."""

    card_id: Annotated[str, Shape(r"^[A-Za-z0-9_-]{1,100}$", "the id that Oobit has given the card")]
    status: CardStatus


@dataclass(frozen=True)
class Asked:
    """The token from Oobit, or the problem to answer with."""

    token: WidgetToken | None
    problem: Problem | None = None


def limit_tokens(claims: Claims) -> Limit:
    """Limit the tokens of a member. Each try asks Oobit and is counted, whatever Oobit answers."""
    return Limit([Quota(f"oobit:{claims.member_id}", rules.TOKENS_PER_HOUR_MAX)], TooManyCardTokens)


def ask_oobit() -> Asked:
    """Ask Oobit for a token, before the transaction and after the rate limit."""
    try:
        return Asked(oobit_port.create_token())
    except OobitMisconfigured as fault:
        log.error("Oobit refuses our key", reason=str(fault))
        return Asked(None, _unavailable(retry_after.MISCONFIGURED_SECONDS))
    except OobitUnavailable as fault:
        log.warning("Oobit does not answer", reason=str(fault))
        return Asked(None, _unavailable(fault.retry_after_seconds))


@api.post(
    "/v1/oobit/create-token",
    status=201,
    limit=limit_tokens,
    before=ask_oobit,
    secret_reply=True,
    problems=(CardServiceUnavailable, TooManyCardTokens),
)
def create_oobit_token(member: Member, asked: Asked) -> OobitToken:
    """Return a token for the widget, in which the member activates and uses the card. The token is not stored."""
    if asked.token is None:
        assert asked.problem, "no token has a reason"
        raise asked.problem
    return OobitToken(token=asked.token.token, expires_at=asked.token.expires_at)


@api.get("/v1/oobit/card")
def get_oobit_card(tx: Tx, member: Member) -> OobitCard:
    """Return the card's id and status as last reported."""
    return store.card(tx, member.id)


@api.put("/v1/oobit/card")
def put_oobit_card(tx: Tx, member: Member, body: OobitCardReport, now: datetime) -> OobitCard:
    """Store the card's id and status as the widget told the app."""
    told = OobitCard(card_id=body.card_id, status=body.status)
    store.keep_card(tx, member.id, told, now)
    return told


def _unavailable(seconds: int) -> CardServiceUnavailable:
    return CardServiceUnavailable(headers={"Retry-After": str(seconds)})
