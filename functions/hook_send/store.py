"""Deliveries of webhooks and their tries, as rows. Locks are taken in this order: delivery, endpoint."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.hooks import HookKind
from shared.values.states import HookDeliveryState, HookState, WholesaleStatus

HEARING = frozenset({WholesaleStatus.APPROVED, WholesaleStatus.ACTIVE})  # accounts that are told of their orders


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as it is now; `account_status` is None for one of the owners."""

    id: UUID
    state: HookState
    account_status: WholesaleStatus | None

    @property
    def is_told(self) -> bool:
        """True if something may be sent to it: it is enabled, and the owners', or of an account that may hear of its
        orders.
        """
        hears = self.account_status is None or self.account_status in HEARING
        return hears and self.state is HookState.ENABLED


@dataclass(frozen=True)
class Delivery:
    """A delivery with its endpoint as it is now."""

    id: UUID
    endpoint_id: UUID
    url: str = field(repr=False)  # it may hold a receiver's own secret
    body: str = field(repr=False)
    state: HookDeliveryState
    tries: int
    tries_before: int
    endpoint_state: HookState
    account_status: WholesaleStatus | None

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that it goes to."""
        return Endpoint(self.endpoint_id, self.endpoint_state, self.account_status)


@dataclass(frozen=True)
class Secret:
    """A secret as it is stored."""

    id: UUID
    sealed: bytes = field(repr=False)


@dataclass(frozen=True)
class Lost:
    """A delivery whose task does not come, and how many tries it has had."""

    id: UUID
    tries: int


@dataclass(frozen=True)
class Owner:
    """The owner of an endpoint: a member with a wholesale account, or the owners of the platform (None), and the name
    of the machine that it is on.
    """

    member_id: UUID | None
    host: str


def choosing(tx: Tx, kind: HookKind, account_id: UUID | None) -> list[Endpoint]:
    """The endpoints that have chosen events of this kind: the owners', and those of the account."""
    return tx.all(
        Endpoint,
        """
        SELECT e.id, e.state, a.status AS account_status
        FROM hook_endpoints e LEFT JOIN wholesale_accounts a ON a.id = e.account_id
        WHERE CAST(:kind AS text) = ANY (e.kinds)
          AND (e.account_id IS NULL OR e.account_id = CAST(:account_id AS uuid))
        ORDER BY e.id
        """,
        kind=kind,
        account_id=account_id,
    )


def insert(
    tx: Tx, delivery_id: UUID, endpoint_id: UUID, kind: HookKind, subject: str, *, body: str, now: datetime
) -> bool:
    """Record a delivery; False if the endpoint has one of this event already."""
    return bool(
        tx.run(
            """
            INSERT INTO hook_deliveries (id, endpoint_id, kind, subject, body, created_at, next_at)
            VALUES (:id, :endpoint_id, :kind, :subject, :body, :now, :now)
            ON CONFLICT (endpoint_id, kind, subject) DO NOTHING
            """,
            id=delivery_id,
            endpoint_id=endpoint_id,
            kind=kind,
            subject=subject,
            body=body,
            now=now,
        )
    )


def lock(tx: Tx, delivery_id: UUID) -> Delivery | None:
    """The delivery, locked; None if its endpoint was deleted."""
    return tx.first(
        Delivery,
        """
        SELECT d.id, d.endpoint_id, e.url, d.body, d.state, d.tries, d.tries_before, e.state AS endpoint_state,
               a.status AS account_status
        FROM hook_deliveries d JOIN hook_endpoints e ON e.id = d.endpoint_id
        LEFT JOIN wholesale_accounts a ON a.id = e.account_id
        WHERE d.id = :id FOR NO KEY UPDATE OF d
        """,
        id=delivery_id,
    )


def begin(tx: Tx, delivery_id: UUID, number: int, now: datetime, next_at: datetime) -> None:
    """Record that a try is made now, and when the one after it would be."""
    tx.run(
        "UPDATE hook_deliveries SET tries = :number, next_at = :next_at WHERE id = :id",
        id=delivery_id,
        number=number,
        next_at=next_at,
    )
    tx.run(
        "INSERT INTO hook_tries (delivery_id, number, started_at) VALUES (:id, :number, :now)",
        id=delivery_id,
        number=number,
        now=now,
    )


def secrets(tx: Tx, endpoint_id: UUID, now: datetime) -> list[Secret]:
    """The secrets that a message is signed with, the newest first."""
    return tx.all(
        Secret,
        """
        SELECT id, sealed FROM hook_secrets WHERE endpoint_id = :id AND (ends_at IS NULL OR ends_at > :now)
        ORDER BY ends_at DESC NULLS FIRST
        """,
        id=endpoint_id,
        now=now,
    )


def record(tx: Tx, delivery_id: UUID, number: int, status: int | None, fault: str | None, *, now: datetime) -> None:
    """Record the outcome of a try."""
    tx.run(
        """
        UPDATE hook_tries SET ended_at = :now, status = :status, fault = :fault
        WHERE delivery_id = :id AND number = :number
        """,
        id=delivery_id,
        number=number,
        status=status,
        fault=fault,
        now=now,
    )


def end(tx: Tx, delivery_id: UUID, state: HookDeliveryState, now: datetime) -> None:
    """End a delivery, for good or until somebody has it sent again."""
    tx.run(
        "UPDATE hook_deliveries SET state = :state, next_at = NULL, done_at = :now WHERE id = :id",
        id=delivery_id,
        state=state,
        now=now,
    )


def succeed(tx: Tx, endpoint_id: UUID) -> None:
    """Note that the endpoint has taken a message."""
    tx.run(
        "UPDATE hook_endpoints SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL", id=endpoint_id
    )


def fail(tx: Tx, endpoint_id: UUID, at: datetime) -> None:
    """Note that a try of this moment has failed, unless the endpoint fails for longer."""
    tx.run(
        "UPDATE hook_endpoints SET failing_since = :at WHERE id = :id AND failing_since IS NULL", id=endpoint_id, at=at
    )


def failing_since(tx: Tx, endpoint_id: UUID) -> datetime | None:
    """Since when the endpoint takes nothing; None if it does."""
    return tx.scalar_or_none(datetime, "SELECT failing_since FROM hook_endpoints WHERE id = :id", id=endpoint_id)


def disable(tx: Tx, endpoint_id: UUID, state: HookState, now: datetime) -> bool:
    """Disable an endpoint; False if it is already."""
    return bool(
        tx.run(
            "UPDATE hook_endpoints SET state = :state, state_at = :now WHERE id = :id AND state = 'enabled'",
            id=endpoint_id,
            state=state,
            now=now,
        )
    )


def owner(tx: Tx, endpoint_id: UUID) -> Owner:
    """The owner of an endpoint, and the name of its machine."""
    return tx.one(
        Owner,
        """
        SELECT a.member_id, substring(e.url FROM '^https://([^/]+)') AS host
        FROM hook_endpoints e LEFT JOIN wholesale_accounts a ON a.id = e.account_id WHERE e.id = :id
        """,
        id=endpoint_id,
    )


def lost(tx: Tx, before: datetime, limit: int) -> list[Lost]:
    """The deliveries that were due before a moment, the oldest first, locked."""
    return tx.all(
        Lost,
        """
        SELECT id, tries FROM hook_deliveries WHERE state = 'pending' AND next_at < :before
        ORDER BY next_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        """,
        before=before,
        limit=limit,
    )


def look_later(tx: Tx, delivery_id: UUID, now: datetime) -> None:
    """Note that a new task is queued for a delivery, so that the next sweep leaves it alone."""
    tx.run("UPDATE hook_deliveries SET next_at = :now WHERE id = :id", id=delivery_id, now=now)
