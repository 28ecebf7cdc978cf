"""Operations on the owners' webhooks: where they are told of which events, and what has become of each message."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from functions.admin_settings.common import Owner, api
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.messages import hooks
from shared.messages.hooks import (
    HookUrl,
    PublicUrl,
    TooManyWebhooks,
    WebhookAddressRefused,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEndpointSecret,
    WebhookNotEnabled,
    WebhookStillTried,
)
from shared.values.fields import Body, Listing, Page, SixDigits
from shared.values.hooks import HookKind, each_once
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position

OWNERS = None  # whose endpoints these are
Events = Annotated[list[HookKind], Field(min_length=1, max_length=20), AfterValidator(each_once)]


class WebhookRequest(Body):
    """Where to send which events, and a code of the owner's app."""

    url: HookUrl
    events: Events
    totp: SixDigits


class WebhookChange(Body):
    """The events from now on, whether they are sent, and a code of the owner's app."""

    events: Events
    is_enabled: bool
    totp: SixDigits


class WebhookRenewal(Body):
    """A code of the owner's app."""

    totp: SixDigits


def look(body: WebhookRequest) -> PublicUrl:
    """Look at the address before the transaction. Raises WebhookAddressRefused."""
    return hooks.looked_at(body.url)


@api.get("/v1/admin/webhooks")
def list_webhooks(tx: Tx, admin: Owner, now: datetime) -> Listing[WebhookEndpoint]:
    """List the owners' endpoints on one page, the newest first."""
    return Listing[WebhookEndpoint](items=hooks.endpoints(tx, OWNERS, now), next_cursor=None)


@api.post(
    "/v1/admin/webhooks",
    status=201,
    before=look,
    secret_reply=True,
    problems=(TooManyWebhooks, WebhookAddressRefused, *SECOND_FACTOR),
)
def create_webhook(
    tx: Tx, admin: Owner, key: IdempotencyKey, body: WebhookRequest, looked: PublicUrl, client: Client, now: datetime
) -> WebhookEndpointSecret:
    """Add an endpoint. Its secret is shown this once."""
    totp.spend(tx, admin.id, body.totp, now)
    made = hooks.create(tx, OWNERS, looked.url, body.events, now)
    changes = {"events": body.events}
    audit.record(tx, admin, client, Action("webhook.create", "webhook", made.endpoint.id, changes), now)
    return made


@api.put("/v1/admin/webhooks/{endpoint_id}", problems=SECOND_FACTOR)
def change_webhook(
    tx: Tx, admin: Owner, endpoint_id: UUID, body: WebhookChange, client: Client, now: datetime
) -> WebhookEndpoint:
    """Choose other events, or switch an endpoint off or on again."""
    totp.spend(tx, admin.id, body.totp, now)
    changed = hooks.change(tx, OWNERS, endpoint_id, body.events, now, is_enabled=body.is_enabled)
    changes = {"events": body.events, "state": changed.state}
    audit.record(tx, admin, client, Action("webhook.change", "webhook", endpoint_id, changes), now)
    return changed


@api.delete("/v1/admin/webhooks/{endpoint_id}", status=204)
def delete_webhook(tx: Tx, admin: Owner, endpoint_id: UUID, client: Client, now: datetime) -> None:
    """Delete an endpoint with its secrets and the log of its messages."""
    hooks.remove(tx, OWNERS, endpoint_id)
    audit.record(tx, admin, client, Action("webhook.delete", "webhook", endpoint_id, {}), now)


@api.post("/v1/admin/webhooks/{endpoint_id}/secret", secret_reply=True, problems=SECOND_FACTOR)
def renew_webhook_secret(
    tx: Tx, admin: Owner, key: IdempotencyKey, endpoint_id: UUID, body: WebhookRenewal, client: Client, now: datetime
) -> WebhookEndpointSecret:
    """Give an endpoint a new secret. For a day messages are signed with the one before it as well."""
    totp.spend(tx, admin.id, body.totp, now)
    made = hooks.renew_secret(tx, OWNERS, endpoint_id, now)
    audit.record(tx, admin, client, Action("webhook.renew_secret", "webhook", endpoint_id, {}), now)
    return made


@api.get("/v1/admin/webhooks/{endpoint_id}/deliveries")
def list_webhook_deliveries(
    tx: Tx, admin: Owner, endpoint_id: UUID, page: Page, now: datetime
) -> Listing[WebhookDelivery]:
    """List the messages to an endpoint with their tries, newest first."""
    rows = hooks.deliveries(tx, OWNERS, endpoint_id, paging.after(page.cursor), page.limit + 1, now=now)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[WebhookDelivery](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/admin/webhooks/{endpoint_id}/deliveries/{delivery_id}/resend",
    problems=(WebhookNotEnabled, WebhookStillTried),
)
def resend_webhook(
    tx: Tx, admin: Owner, endpoint_id: UUID, delivery_id: UUID, client: Client, now: datetime
) -> WebhookDelivery:
    """Have a message sent again, under its own `webhook-id`."""
    again = hooks.resend(tx, OWNERS, endpoint_id, delivery_id, now=now)
    changes = {"endpoint_id": str(endpoint_id)}
    audit.record(tx, admin, client, Action("webhook.resend", "webhook_delivery", delivery_id, changes), now)
    return again
