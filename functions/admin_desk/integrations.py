"""The operation that says of each service of others whether it answers, and what waits for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from functions.admin_desk import health_store, integration_store, rules
from functions.admin_desk.common import Operations, api
from functions.admin_desk.integration_store import State
from functions.admin_desk.rules import BOUNDS, IntegrationStatus
from shared.db import Tx
from shared.values.fields import Listing, Reply

PUSH_REMEDY = "last_error says why: 403 means our key or project. Nothing is lost: the app shows notifications anyway."
WALLET_REMEDY = "docs/wallets.md: members can still link a wallet by signing the challenge."

TOP_UP_REMEDY = (
    "docs/treasury.md, Top-ups: do the nodes of STARGATE_RPC_URLS answer? Nothing is lost; it is looked at again."
)
CHECK_REMEDY = "docs/social.md, Checks: messages stay readable and wait; they are caught up when it answers."
TRANSLATION_REMEDY = "docs/social.md, Translations: messages are read in their own language meanwhile."


@dataclass(frozen=True)
class Service:
    """The use of a service to us, and the kind of thing that waits when it does not answer (a name in BOUNDS). Nothing
    waits for pushes, since a notification that was not pushed is in the app, nor for wallets and top-ups: `remedy` is
    theirs.
    """

    purpose: str
    waits: str | None
    remedy: str | None = None


SERVICES: Mapping[str, Service] = {
    "card": Service("takes payments by card", "payments"),
    "agechecker": Service("checks ages", "age_checks"),
    "kintsugi": Service("takes reports of sales taxes", "tax_reports"),
    "selery": Service("sends orders from the warehouse", "fulfilments"),
    "brevo": Service("sends mails", "mails"),
    "teller": Service("reads the balances of bank accounts", "banks"),
    "intercom": Service("answers members who ask for support", "support"),
    "fcm": Service("pushes notifications to Android", None, PUSH_REMEDY),
    "apns": Service("pushes notifications to iOS", None, PUSH_REMEDY),
    "stargate": Service("brings USDT from another chain to the treasuries", None, TOP_UP_REMEDY),
    "openai": Service("checks the texts of the chat", None, CHECK_REMEDY),
    "translation": Service("translates messages of the chat", None, TRANSLATION_REMEDY),
    "embedded_wallets": Service("makes members' wallets and proves them", None, WALLET_REMEDY),
}


class Integration(Reply):
    """A service of others. `is_configured` says whether the job that asks it has its keys; null until that job has run.
    `answered_at` is when it has answered a request of ours last, `failed_at` when a request of ours has failed last and
    `last_error` how; `told_at` is when it has sent us a webhook last. `waiting_since` is since when the oldest thing
    waits for it, by which `status` is judged; pushes are judged by their last request. `unused` was never seen.
    `remedy` is what people do, if it is not well.
    """

    name: str
    purpose: str
    status: IntegrationStatus
    is_configured: bool | None
    answered_at: datetime | None
    failed_at: datetime | None
    last_error: str | None
    told_at: datetime | None
    waiting_since: datetime | None
    remedy: str | None


@api.get("/v1/admin/integrations")
def list_integrations(tx: Tx, admin: Operations, now: datetime) -> Listing[Integration]:
    """List the services of others on one page, with when each was seen last and what waits for it."""
    oldest, states = health_store.oldest(tx, now), integration_store.states(tx)
    shown = []
    for name, service in SERVICES.items():
        seen = _seen(tx, name, states.get(name))
        since: datetime | None = getattr(oldest, service.waits) if service.waits else None
        shown.append(_shown(name, service, seen, since, now))
    return Listing[Integration](items=shown, next_cursor=None)


@dataclass(frozen=True)
class _Seen:
    """A service as it was seen, by what is stored of its work and by what the jobs that ask it have told."""

    is_configured: bool | None
    answered_at: datetime | None
    failed_at: datetime | None
    error: str | None
    told_at: datetime | None


def _seen(tx: Tx, name: str, state: State | None) -> _Seen:
    stored = integration_store.seen(tx, name)
    if state is None:
        return _Seen(None, stored.answered_at, None, None, stored.told_at)
    answered = max((at for at in (stored.answered_at, state.answered_at) if at), default=None)
    return _Seen(state.is_configured, answered, state.failed_at, state.error, stored.told_at)


def _shown(name: str, service: Service, seen: _Seen, since: datetime | None, now: datetime) -> Integration:
    remedy = service.remedy
    if service.waits:
        bound = BOUNDS[service.waits]
        was_seen = seen.answered_at is not None or seen.told_at is not None
        status, remedy = rules.of_service(bound, since, now, was_seen=was_seen), bound.remedy
    else:
        status = rules.of_last_request(seen.answered_at, seen.failed_at)
    return Integration(
        name=name,
        purpose=service.purpose,
        status=status,
        is_configured=seen.is_configured,
        answered_at=seen.answered_at,
        failed_at=seen.failed_at,
        last_error=seen.error,
        told_at=seen.told_at,
        waiting_since=since,
        remedy=remedy if status in (IntegrationStatus.DEGRADED, IntegrationStatus.DOWN) else None,
    )
