"""Endpoints of webhooks with their secrets and deliveries, for whom they belong to: owners, or a wholesale account.

Each function takes the account, or None for the owners, and sees nothing of anybody else.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from shared import events
from shared.credentials import vault
from shared.db import Tx
from shared.events import SendHook
from shared.ports import receivers
from shared.ports.receivers import AddressRefused
from shared.values import hooks
from shared.values.fields import Reply, Shape
from shared.values.hooks import HookKind
from shared.values.problems import NotFound, Problem
from shared.values.states import HookDeliveryState, HookState
from shared.web.paging import Position

HookUrl = Annotated[str, Shape(r"^https://[!-~]{1,492}$", "an https address")]


class WebhookAddressRefused(Problem):
    """An address to which nothing is sent; `reason` says why: `form`, `unknown_name` or `not_public`."""

    status, title = 409, "Webhooks are sent to public https addresses only."


class TooManyWebhooks(Problem):
    """There are as many endpoints as there may be; delete one first."""

    status, title = 409, "There are five endpoints already."


class WebhookNotEnabled(Problem):
    """The endpoint is not enabled; `endpoint_state` says why."""

    status, title = 409, "Enable the endpoint first."


class WebhookStillTried(Problem):
    """The message is being tried already; `next_at` of the delivery tells when."""

    status, title = 409, "This message is still being tried."


class WebhookEndpoint(Reply):
    """Where events are sent. `failing_since` is when the first try failed after the last one that was taken; after five
    days of that the state is `failing`, after an answer 410 it is `gone`, and nothing is sent. `older_secret_until` is
    how long messages are signed with the secret before the present one as well.
    """

    id: UUID
    url: str
    events: list[HookKind]
    state: HookState
    state_at: datetime
    created_at: datetime
    failing_since: datetime | None
    older_secret_until: datetime | None


class WebhookEndpointSecret(Reply):
    """An endpoint with its new secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


class WebhookTry(Reply):
    """One try: the status of the answer, or the fault before there was one. It is open while `ended_at` is null."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    status: int | None
    fault: str | None


class WebhookDelivery(Reply):
    """A message to an endpoint, with its tries. `message_id` is its header `webhook-id`."""

    id: UUID
    message_id: str
    event: HookKind
    subject: str
    state: HookDeliveryState
    created_at: datetime
    next_at: datetime | None
    done_at: datetime | None
    tries: list[WebhookTry]


@dataclass(frozen=True)
class PublicUrl:
    """A URL that was public when it was looked at, before the transaction."""

    url: str


@dataclass(frozen=True)
class _Endpoint:
    id: UUID
    url: str
    kinds: Sequence[str]
    state: HookState
    state_at: datetime
    created_at: datetime
    failing_since: datetime | None
    older_secret_until: datetime | None


@dataclass(frozen=True)
class _Delivery:
    id: UUID
    kind: str
    subject: str
    state: HookDeliveryState
    created_at: datetime
    next_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True)
class _Try:
    delivery_id: UUID
    number: int
    started_at: datetime
    ended_at: datetime | None
    status: int | None
    fault: str | None


def secret_row(secret_id: UUID) -> str:
    """The name of the row that a sealed secret is bound to."""
    return f"hook_secrets:{secret_id}"


def looked_at(url: str) -> PublicUrl:
    """Resolve the name in a URL, outside of a transaction. Raises WebhookAddressRefused."""
    try:
        receivers.check(url)
    except AddressRefused as refused:
        raise WebhookAddressRefused(reason=str(refused)) from None
    return PublicUrl(url)


def endpoints(tx: Tx, account_id: UUID | None, now: datetime) -> list[WebhookEndpoint]:
    """The endpoints, the newest first."""
    return [_shown(row) for row in _rows(tx, account_id, None, now)]


def create(
    tx: Tx, account_id: UUID | None, url: str, kinds: Sequence[HookKind], now: datetime
) -> WebhookEndpointSecret:
    """Add an endpoint with a first secret. Raises TooManyWebhooks."""
    _one_at_a_time(tx, account_id)
    if len(_rows(tx, account_id, None, now)) >= hooks.ENDPOINTS_MAX:
        raise TooManyWebhooks
    identity = uuid4()
    tx.run(
        """
        INSERT INTO hook_endpoints (id, account_id, url, kinds, state, state_at, created_at)
        VALUES (:id, :account_id, :url, CAST(:kinds AS text[]), 'enabled', :now, :now)
        """,
        id=identity,
        account_id=account_id,
        url=url,
        kinds=list(kinds),
        now=now,
    )
    return _with_new_secret(tx, account_id, identity, now)


def change(
    tx: Tx, account_id: UUID | None, endpoint_id: UUID, kinds: Sequence[HookKind], now: datetime, *, is_enabled: bool
) -> WebhookEndpoint:
    """Choose other events, and switch an endpoint on or off. One that is switched on has not failed yet. Raises
    NotFound.
    """
    _lock(tx, account_id, endpoint_id)
    tx.run(
        """
        UPDATE hook_endpoints
        SET kinds = CAST(:kinds AS text[]),
            state = CASE WHEN :is_enabled THEN 'enabled' WHEN state = 'enabled' THEN 'disabled' ELSE state END,
            state_at = CASE WHEN (state = 'enabled') = :is_enabled THEN state_at ELSE :now END,
            failing_since = CASE WHEN :is_enabled AND state <> 'enabled' THEN NULL ELSE failing_since END
        WHERE id = :id
        """,
        id=endpoint_id,
        kinds=list(kinds),
        is_enabled=is_enabled,
        now=now,
    )
    return _one(tx, account_id, endpoint_id, now)


def remove(tx: Tx, account_id: UUID | None, endpoint_id: UUID) -> None:
    """Delete an endpoint with its secrets and its deliveries. Raises NotFound."""
    _lock(tx, account_id, endpoint_id)
    tx.run("DELETE FROM hook_endpoints WHERE id = :id", id=endpoint_id)


def renew_secret(tx: Tx, account_id: UUID | None, endpoint_id: UUID, now: datetime) -> WebhookEndpointSecret:
    """Give an endpoint a new secret; the present one is used as well for a day, the one before it no more. Raises
    NotFound.
    """
    _lock(tx, account_id, endpoint_id)
    tx.run("DELETE FROM hook_secrets WHERE endpoint_id = :id AND ends_at IS NOT NULL", id=endpoint_id)
    tx.run(
        "UPDATE hook_secrets SET ends_at = :until WHERE endpoint_id = :id AND ends_at IS NULL",
        id=endpoint_id,
        until=now + hooks.SECRET_OVERLAP,
    )
    return _with_new_secret(tx, account_id, endpoint_id, now)


def deliveries(
    tx: Tx, account_id: UUID | None, endpoint_id: UUID, after: Position | None, limit: int, *, now: datetime
) -> list[WebhookDelivery]:
    """The deliveries of an endpoint after a position, the newest first. Raises NotFound."""
    _one(tx, account_id, endpoint_id, now)
    rows = tx.all(
        _Delivery,
        """
        SELECT id, kind, subject, state, created_at, next_at, done_at FROM hook_deliveries
        WHERE endpoint_id = :endpoint_id
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        endpoint_id=endpoint_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
    tries = _tries(tx, [row.id for row in rows])
    return [_told(row, tries.get(row.id, [])) for row in rows]


def resend(tx: Tx, account_id: UUID | None, endpoint_id: UUID, delivery_id: UUID, *, now: datetime) -> WebhookDelivery:
    """Have a message sent again, under its own `webhook-id`, with five days of tries before it.

    Raises NotFound, WebhookNotEnabled, WebhookStillTried.
    """
    endpoint = _one(tx, account_id, endpoint_id, now)  # not locked: a job locks the delivery first, and looks again
    if endpoint.state is not HookState.ENABLED:
        raise WebhookNotEnabled(endpoint_state=endpoint.state)
    tries = tx.scalar_or_none(
        int,
        """
        UPDATE hook_deliveries SET state = 'pending', tries_before = tries, next_at = :now, done_at = NULL
        WHERE id = :id AND endpoint_id = :endpoint_id AND state <> 'pending' RETURNING tries
        """,
        id=delivery_id,
        endpoint_id=endpoint_id,
        now=now,
    )
    if tries is None:
        _delivery(tx, endpoint_id, delivery_id)
        raise WebhookStillTried
    send_soon(tx, delivery_id, tries + 1, now)
    return _delivery(tx, endpoint_id, delivery_id)


def send_soon(tx: Tx, delivery_id: UUID, number: int, now: datetime, *, deliver_at: datetime | None = None) -> None:
    """Queue a task of hook_send for a try. A try is one task."""
    task = SendHook(delivery_id=delivery_id, number=number)
    events.enqueue(tx, now, task, name=f"hook-{delivery_id}-{number}", deliver_at=deliver_at)


def send_again(tx: Tx, delivery_id: UUID, number: int, now: datetime) -> None:
    """Queue a task for a try whose task was lost: without a name, because a lost task's name is taken for a day."""
    events.enqueue(tx, now, SendHook(delivery_id=delivery_id, number=number))


def _one_at_a_time(tx: Tx, account_id: UUID | None) -> None:
    """Wait until nobody else adds an endpoint for the same, so that they are counted."""
    tx.run("SELECT pg_advisory_xact_lock(hashtextextended('hook_endpoints:' || :whose, 0))", whose=str(account_id))


def _with_new_secret(tx: Tx, account_id: UUID | None, endpoint_id: UUID, now: datetime) -> WebhookEndpointSecret:
    identity, secret = uuid4(), os.urandom(hooks.HOOK_SECRET_BYTES)
    tx.run(
        "INSERT INTO hook_secrets (id, endpoint_id, sealed, created_at) VALUES (:id, :endpoint_id, :sealed, :now)",
        id=identity,
        endpoint_id=endpoint_id,
        sealed=vault.seal(tx, secret, secret_row(identity)),
        now=now,
    )
    shown = _one(tx, account_id, endpoint_id, now)
    return WebhookEndpointSecret(endpoint=shown, secret=hooks.secret_shown(secret))


def _lock(tx: Tx, account_id: UUID | None, endpoint_id: UUID) -> None:
    """Lock an endpoint. Raises NotFound."""
    found = tx.run(
        """
        SELECT FROM hook_endpoints
        WHERE id = :id AND account_id IS NOT DISTINCT FROM CAST(:account_id AS uuid) FOR UPDATE
        """,
        id=endpoint_id,
        account_id=account_id,
    )
    if not found:
        raise NotFound


def _one(tx: Tx, account_id: UUID | None, endpoint_id: UUID, now: datetime) -> WebhookEndpoint:
    """One endpoint. Raises NotFound."""
    found = _rows(tx, account_id, endpoint_id, now)
    if not found:
        raise NotFound
    return _shown(found[0])


def _rows(tx: Tx, account_id: UUID | None, endpoint_id: UUID | None, now: datetime) -> list[_Endpoint]:
    return tx.all(
        _Endpoint,
        """
        SELECT e.id, e.url, e.kinds, e.state, e.state_at, e.created_at, e.failing_since,
               (SELECT max(s.ends_at) FROM hook_secrets s WHERE s.endpoint_id = e.id AND s.ends_at > :now)
                   AS older_secret_until
        FROM hook_endpoints e
        WHERE e.account_id IS NOT DISTINCT FROM CAST(:account_id AS uuid)
          AND (CAST(:endpoint_id AS uuid) IS NULL OR e.id = :endpoint_id)
        ORDER BY e.created_at DESC, e.id DESC
        """,
        account_id=account_id,
        endpoint_id=endpoint_id,
        now=now,
    )


def _delivery(tx: Tx, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """One delivery of an endpoint. Raises NotFound."""
    row = tx.first(
        _Delivery,
        """
        SELECT id, kind, subject, state, created_at, next_at, done_at FROM hook_deliveries
        WHERE id = :id AND endpoint_id = :endpoint_id
        """,
        id=delivery_id,
        endpoint_id=endpoint_id,
    )
    if row is None:
        raise NotFound
    return _told(row, _tries(tx, [row.id]).get(row.id, []))


def _tries(tx: Tx, deliveries: Sequence[UUID]) -> Mapping[UUID, list[WebhookTry]]:
    """The tries of some deliveries, in order."""
    rows = tx.all(
        _Try,
        """
        SELECT delivery_id, number, started_at, ended_at, status, fault FROM hook_tries
        WHERE delivery_id = ANY (CAST(:deliveries AS uuid[])) ORDER BY delivery_id, number
        """,
        deliveries=list(deliveries),
    )
    found: dict[UUID, list[WebhookTry]] = {}
    for row in rows:
        shown: dict[str, Any] = {name: value for name, value in vars(row).items() if name != "delivery_id"}
        found.setdefault(row.delivery_id, []).append(WebhookTry(**shown))
    return found


def _shown(row: _Endpoint) -> WebhookEndpoint:
    kinds = [HookKind(kind) for kind in row.kinds]
    return WebhookEndpoint(**{name: value for name, value in vars(row).items() if name != "kinds"}, events=kinds)


def _told(row: _Delivery, tries: list[WebhookTry]) -> WebhookDelivery:
    return WebhookDelivery(
        id=row.id,
        message_id=hooks.message_id(row.id),
        event=HookKind(row.kind),
        subject=row.subject,
        state=row.state,
        created_at=row.created_at,
        next_at=row.next_at,
        done_at=row.done_at,
        tries=tries,
    )
