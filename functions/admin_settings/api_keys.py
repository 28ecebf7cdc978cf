"""Operations on API keys, by which scripts of admins read figures of the platform (docs/webhooks.md, "API keys")."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from functions.admin_settings import key_store
from functions.admin_settings.common import Owner, api
from functions.admin_settings.key_store import ApiKey, ApiKeySecret, TooManyApiKeys
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.values.api_keys import READABLE
from shared.values.fields import Body, Listing, Page, Shape, SixDigits, Text
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position


def _readable(names: list[str]) -> list[str]:
    if len(set(names)) != len(names) or not READABLE.issuperset(names):
        raise ValueError(f"must name operations that keys can read, each once: {', '.join(sorted(READABLE))}")
    return names


OperationName = Annotated[str, Shape(r"^[a-z_]{1,60}$", "an operationId")]
Operations = Annotated[list[OperationName], Field(min_length=1, max_length=20), AfterValidator(_readable)]


class ApiKeyRequest(Body):
    """The purpose of a key, which operations it reads, and a code of the owner's app."""

    name: Annotated[Text, Field(max_length=100)]
    operations: Operations
    totp: SixDigits


@api.get("/v1/admin/api-keys")
def list_api_keys(tx: Tx, admin: Owner, page: Page) -> Listing[ApiKey]:
    """List the keys that were ever made, newest first; none of them is shown."""
    rows = key_store.listed(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.made_at, row.id))
    return Listing[ApiKey](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/admin/api-keys",
    status=201,
    secret_reply=True,
    problems=(TooManyApiKeys, *SECOND_FACTOR),
)
def create_api_key(
    tx: Tx, admin: Owner, key: IdempotencyKey, body: ApiKeyRequest, client: Client, now: datetime
) -> ApiKeySecret:
    """Make a key that is good for 90 days. It is shown this once."""
    totp.spend(tx, admin.id, body.totp, now)
    made = key_store.make(tx, admin.id, body.name, body.operations, now)
    changes = {"name": body.name, "operations": body.operations, "expires_at": made.api_key.expires_at.isoformat()}
    audit.record(tx, admin, client, Action("api_key.create", "api_key", made.api_key.id, changes), now)
    return made


@api.delete("/v1/admin/api-keys/{key_id}")
def revoke_api_key(tx: Tx, admin: Owner, key_id: UUID, client: Client, now: datetime) -> ApiKey:
    """Revoke a key, for good and at once. Harmless twice."""
    if key_store.revoke(tx, key_id, admin.id, now):
        audit.record(tx, admin, client, Action("api_key.revoke", "api_key", key_id, {}), now)
    return key_store.one(tx, key_id)
