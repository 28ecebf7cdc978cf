"""Operations on the webhooks of a member's wholesale account: it is told of the states of its own orders."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from functions.wholesale import rules, store
from functions.wholesale.common import api
from shared.auth import Claims, Member
from shared.credentials import recent_sign_in
from shared.credentials.recent_sign_in import SignInAgain
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
from shared.values.fields import Body, Listing, Page
from shared.values.hooks import OF_ORDERS, HookKind, each_once
from shared.web import paging
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position
from shared.web.quotas import Limit, Quota


def _of_orders(kinds: list[HookKind]) -> list[HookKind]:
    if not OF_ORDERS.issuperset(kinds):
        raise ValueError("must be events of orders")
    return each_once(kinds)


Events = Annotated[list[HookKind], Field(min_length=1, max_length=20), AfterValidator(_of_orders)]


class AccountWebhookRequest(Body):
    """Where to send which events of the account's orders."""

    url: HookUrl
    events: Events


class AccountWebhookChange(Body):
    """The events from now on, and whether they are sent."""

    events: Events
    is_enabled: bool


def look(body: AccountWebhookRequest) -> PublicUrl:
    """Look at the address before the transaction. Raises WebhookAddressRefused."""
    return hooks.looked_at(body.url)


def limit_looks(claims: Claims) -> Limit:
    """Limit how often a member has an address looked at."""
    return Limit([Quota(f"webhooks:{claims.member_id}", rules.WEBHOOKS_PER_HOUR)], rules.TooManyWebhookTries)


@api.get("/v1/wholesale/webhooks", problems=(rules.AccountNotApproved,))
def list_account_webhooks(tx: Tx, member: Member, now: datetime) -> Listing[WebhookEndpoint]:
    """List the account's endpoints on one page, the newest first."""
    found = hooks.endpoints(tx, _account(tx, member), now)
    return Listing[WebhookEndpoint](items=found, next_cursor=None)


@api.post(
    "/v1/wholesale/webhooks",
    status=201,
    limit=limit_looks,
    before=look,
    secret_reply=True,
    problems=(
        rules.AccountNotApproved,
        rules.TooManyWebhookTries,
        SignInAgain,
        TooManyWebhooks,
        WebhookAddressRefused,
    ),
)
def create_account_webhook(
    tx: Tx, member: Member, key: IdempotencyKey, body: AccountWebhookRequest, looked: PublicUrl, now: datetime
) -> WebhookEndpointSecret:
    """Add an endpoint, within ten minutes after a sign-in. Its secret is shown this once."""
    recent_sign_in.check(tx, member.session_id, now)
    return hooks.create(tx, _account(tx, member), looked.url, body.events, now)


@api.put("/v1/wholesale/webhooks/{endpoint_id}", problems=(rules.AccountNotApproved,))
def change_account_webhook(
    tx: Tx, member: Member, endpoint_id: UUID, body: AccountWebhookChange, now: datetime
) -> WebhookEndpoint:
    """Choose other events, or switch an endpoint off or on again."""
    account = _account(tx, member)
    return hooks.change(tx, account, endpoint_id, body.events, now, is_enabled=body.is_enabled)


@api.delete("/v1/wholesale/webhooks/{endpoint_id}", status=204, problems=(rules.AccountNotApproved,))
def delete_account_webhook(tx: Tx, member: Member, endpoint_id: UUID) -> None:
    """Delete an endpoint with its secrets and the log of its messages."""
    hooks.remove(tx, _account(tx, member), endpoint_id)


@api.post(
    "/v1/wholesale/webhooks/{endpoint_id}/secret",
    secret_reply=True,
    problems=(rules.AccountNotApproved, SignInAgain),
)
def renew_account_webhook_secret(
    tx: Tx, member: Member, key: IdempotencyKey, endpoint_id: UUID, now: datetime
) -> WebhookEndpointSecret:
    """Give an endpoint a new secret. For a day messages are signed with the one before it as well."""
    recent_sign_in.check(tx, member.session_id, now)
    return hooks.renew_secret(tx, _account(tx, member), endpoint_id, now)


@api.get("/v1/wholesale/webhooks/{endpoint_id}/deliveries", problems=(rules.AccountNotApproved,))
def list_account_webhook_deliveries(
    tx: Tx, member: Member, endpoint_id: UUID, page: Page, now: datetime
) -> Listing[WebhookDelivery]:
    """List the messages to an endpoint with their tries, newest first."""
    after, account = paging.after(page.cursor), _account(tx, member)
    rows = hooks.deliveries(tx, account, endpoint_id, after, page.limit + 1, now=now)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[WebhookDelivery](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/wholesale/webhooks/{endpoint_id}/deliveries/{delivery_id}/resend",
    problems=(rules.AccountNotApproved, WebhookNotEnabled, WebhookStillTried),
)
def resend_account_webhook(
    tx: Tx, member: Member, endpoint_id: UUID, delivery_id: UUID, now: datetime
) -> WebhookDelivery:
    """Have a message sent again, under its own `webhook-id`."""
    return hooks.resend(tx, _account(tx, member), endpoint_id, delivery_id, now=now)


def _account(tx: Tx, member: Member) -> UUID:
    """The member's account. Raises AccountNotApproved."""
    found = store.account(tx, member.id)
    rules.check_may_order(found.status if found else None)
    assert found, "it has been approved"
    return found.id
