"""Webhooks that we send, by the rules of Standard Webhooks: events, secrets, signatures, pauses between tries. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

SECRET_PREFIX = "whsec_"  # noqa: S105 - it marks a secret, and is none
HOOK_SECRET_BYTES = 32
SECRET_OVERLAP = timedelta(days=1)  # for so long messages are signed with the secret before the newest one too
ENDPOINTS_MAX = 5  # of the owners together, and of each wholesale account

# From one try to the next; together they are five days.
PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=16),
    timedelta(hours=20),
    timedelta(hours=24),
    timedelta(hours=33, minutes=24),
)
TRIES_MAX = len(PAUSES) + 1
GIVEN_UP_AFTER = timedelta(days=5)


class HookKind(StrEnum):
    """The events that a receiver can choose."""

    ORDER_CONFIRMED = "order.confirmed"
    ORDER_FULFILLED = "order.fulfilled"
    ORDER_SHIPPED = "order.shipped"
    ORDER_DELIVERED = "order.delivered"
    ORDER_CANCELLED = "order.cancelled"
    PAYOUT_CONFIRMED = "payout.confirmed"
    TREASURY_SNAPSHOT = "treasury.snapshot"


OF_ORDERS = frozenset(kind for kind in HookKind if kind.startswith("order."))  # what a wholesale account may choose


def secret_shown(secret: bytes) -> str:
    """The secret as its receiver gets it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def message_id(delivery_id: UUID) -> str:
    """The `webhook-id` of a delivery, which is the same in each try."""
    return f"msg_{delivery_id}"


def signature(secret: bytes, identity: str, sent_at: int, body: bytes) -> str:
    """One signature: `v1,` and the base64 of HMAC-SHA256 over id, Unix seconds and body, with dots between."""
    signed = f"{identity}.{sent_at}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def headers(secrets: Iterable[bytes], identity: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message. With two secrets it has two signatures, of which a receiver needs one."""
    sent_at = int(now.timestamp())
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": " ".join(signature(secret, identity, sent_at, body) for secret in secrets),
    }


def pause_after(tries: int) -> timedelta | None:
    """After so many tries of a run, the pause before the next one; None when there is no next one."""
    return PAUSES[tries - 1] if tries <= len(PAUSES) else None


def each_once(kinds: list[HookKind]) -> list[HookKind]:
    """The same events. Raises ValueError when one of them is named twice."""
    if len(set(kinds)) != len(kinds):
        raise ValueError("must name each event once")
    return kinds
