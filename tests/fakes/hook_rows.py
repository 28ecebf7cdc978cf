"""Endpoints of webhooks, their deliveries and API keys as rows."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from shared import clock, db
from shared.credentials import vault
from shared.db import Tx
from shared.messages import hooks
from shared.values.hooks import OF_ORDERS, HookKind
from tests.factories import Somebody
from tests.fakes import list_rows, wholesale_order_rows

URL = "https://receiver.test/hooks?tenant=7"
SECRET = b"s" * 32
KINDS = sorted(OF_ORDERS)


def endpoint(account: UUID | None, identity: UUID | None = None, kinds: list[HookKind] | None = None) -> UUID:
    """The id of a new endpoint with SECRET; None is the owners' account."""
    made = identity or uuid4()
    db.atomically(lambda tx: _endpoint(tx, made, account, kinds or list(HookKind)))
    return made


def _endpoint(tx: Tx, made: UUID, account: UUID | None, kinds: list[HookKind]) -> None:
    secret, now = uuid4(), clock.now()
    tx.run(
        """
        INSERT INTO hook_endpoints (id, account_id, url, kinds, state, state_at, created_at)
        VALUES (:id, :account, :url, CAST(:kinds AS text[]), 'enabled', :now, :now) ON CONFLICT DO NOTHING
        """,
        id=made,
        account=account,
        url=URL,
        kinds=list(kinds),
        now=now,
    )
    tx.run(
        """
        INSERT INTO hook_secrets (id, endpoint_id, sealed, created_at) VALUES (:id, :endpoint, :sealed, :now)
        ON CONFLICT DO NOTHING
        """,
        id=secret,
        endpoint=made,
        sealed=vault.seal(tx, SECRET, hooks.secret_row(secret)),
        now=now,
    )


def delivery(endpoint_id: UUID, at: datetime, identity: UUID | None = None) -> UUID:
    """The id of a message that an endpoint has taken."""
    made = identity or uuid4()
    list_rows.insert(
        "hook_deliveries", id=made, endpoint_id=endpoint_id, kind="order.confirmed", subject=str(uuid4()), body="{}",
        created_at=at, state="delivered", tries=1, done_at=at,
    )  # fmt: skip
    list_rows.insert("hook_tries", delivery_id=made, number=1, started_at=at, ended_at=at, status=204)
    return made


def owners_delivery(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all rows of lists
    """A message to the owners' endpoint that has the reader's id."""
    return str(delivery(endpoint(None, owner.id), at))


def account_delivery(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - likewise
    """A message to the endpoint of the reader's account that has the reader's id."""
    return str(delivery(endpoint(wholesale_order_rows.account_of(owner), owner.id), at))


def api_key(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - likewise
    """A key that was made then."""
    made = uuid4()
    list_rows.insert(
        "api_keys", id=made, hash=made.bytes * 2, name="Nightly", operations=["get_health"], made_by=owner.id,
        made_at=at, expires_at=at + timedelta(days=90),
    )  # fmt: skip
    return str(made)
