"""The operation that says of each service of others whether it answers, and what waits for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from functions.admin_desk import health_store, integration_store, rules
from functions.admin_desk.common import Operations, api
from functions.admin_desk.rules import BOUNDS, IntegrationStatus
from shared.db import Tx
from shared.values.fields import Listing, Reply


@dataclass(frozen=True)
class Service:
    """The use of a service to us, and the kind of thing that waits when it does not answer (a name in BOUNDS); None if
    nothing of ours does.
    """

    purpose: str
    waits: str | None


SERVICES: Mapping[str, Service] = {
    "card": Service("takes payments by card", "payments"),
    "agechecker": Service("checks ages", "age_checks"),
    "kintsugi": Service("takes reports of sales taxes", "tax_reports"),
    "selery": Service("sends orders from the warehouse", "fulfilments"),
    "brevo": Service("sends mails", "mails"),
    "teller": Service("reads the balances of bank accounts", "banks"),
    "embedded_wallets": Service("makes members' wallets and proves them", None),
}


class Integration(Reply):
    """A service of others. `answered_at` is when it has answered a request of ours last, `told_at` when it has sent us
    a webhook last. `waiting_since` is since when the oldest thing waits for it, by which `status` is judged; `unused`
    was never seen. `remedy` is what people do, if it is not well.
    """

    name: str
    purpose: str
    status: IntegrationStatus
    answered_at: datetime | None
    told_at: datetime | None
    waiting_since: datetime | None
    remedy: str | None


@api.get("/v1/admin/integrations")
def list_integrations(tx: Tx, admin: Operations, now: datetime) -> Listing[Integration]:
    """List the services of others on one page, with when each was seen last and what waits for it."""
    oldest = health_store.oldest(tx, now)
    waiting = {name: getattr(oldest, service.waits) for name, service in SERVICES.items() if service.waits}
    shown = [_shown(tx, name, service, waiting.get(name), now) for name, service in SERVICES.items()]
    return Listing[Integration](items=shown, next_cursor=None)


def _shown(tx: Tx, name: str, service: Service, since: datetime | None, now: datetime) -> Integration:
    seen = integration_store.seen(tx, name)
    bound = BOUNDS[service.waits] if service.waits else None
    was_seen = seen.answered_at is not None or seen.told_at is not None
    status = rules.of_service(bound, since, now, was_seen=was_seen)
    return Integration(
        name=name,
        purpose=service.purpose,
        status=status,
        answered_at=seen.answered_at,
        told_at=seen.told_at,
        waiting_since=since,
        remedy=bound.remedy if bound and status in (IntegrationStatus.DEGRADED, IntegrationStatus.DOWN) else None,
    )
