"""Notifications, the devices that get them, and the pushes: recorded as 'sending' first, finished once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.ports.push import Platform


@dataclass(frozen=True)
class Notification:
    """A notification, and whether its member wants pushes of its type."""

    id: UUID
    member_id: UUID
    type: str
    title: str
    body: str
    code: str | None
    params: dict[str, Any]
    data: dict[str, Any]
    language: str
    created_at: datetime
    read: bool
    wanted: bool


@dataclass(frozen=True)
class Device:
    """A device as it was when its push was claimed."""

    id: UUID
    platform: Platform
    token: str = field(repr=False)
    registered_at: datetime


def notification(tx: Tx, notification_id: UUID) -> Notification | None:
    """The notification; pushes are wanted unless the member has switched them off or is suspended."""
    return tx.first(
        Notification,
        """
        SELECT notifications.id, notifications.member_id, notifications.type, title, body, code, params, data,
               members.language, notifications.created_at,
               read_at IS NOT NULL AS read, coalesce(push, true) AND members.status = 'active' AS wanted
        FROM notifications JOIN members ON members.id = notifications.member_id
        LEFT JOIN notification_preferences AS preference
          ON preference.member_id = notifications.member_id AND preference.type = notifications.type
        WHERE notifications.id = :id
        """,
        id=notification_id,
    )


def waiting(tx: Tx, found: Notification, now: datetime, limit: int) -> list[UUID]:
    """The devices whose push is not finished, among the `limit` devices registered last in live sessions."""
    return tx.column(
        UUID,
        """
        WITH newest AS (
            SELECT devices.id, registered_at FROM devices JOIN sessions ON sessions.id = session_id
            WHERE devices.member_id = :member_id AND ended_at IS NULL AND ends_at > :now
            ORDER BY registered_at DESC, devices.id LIMIT :limit
        )
        SELECT newest.id AS device_id FROM newest
        LEFT JOIN pushes ON pushes.device_id = newest.id AND pushes.notification_id = :notification_id
        WHERE pushes.finished_at IS NULL
        ORDER BY registered_at DESC, newest.id
        """,
        member_id=found.member_id,
        notification_id=found.id,
        now=now,
        limit=limit,
    )


def claim(tx: Tx, found: Notification, device_id: UUID, now: datetime, until: datetime) -> Device | None:
    """Record that this device is getting the push. None if another worker is sending it or it is finished, or if the
    device is gone, its session has ended or its member is suspended.

    The device's row is locked meanwhile, because it may be deleted or registered for another member.
    """
    return tx.first(
        Device,
        """
        WITH device AS (
            SELECT id, platform, token, registered_at FROM devices
            WHERE id = :device_id AND member_id = :member_id
              AND (SELECT status FROM members WHERE members.id = :member_id) = 'active'
              AND EXISTS (SELECT FROM sessions
                          WHERE sessions.id = session_id AND ended_at IS NULL AND ends_at > :now) FOR SHARE
        ), claimed AS (
            INSERT INTO pushes (notification_id, device_id, status, claimed_until)
            SELECT :notification_id, id, 'sending', :until FROM device
            ON CONFLICT (notification_id, device_id) DO UPDATE SET claimed_until = EXCLUDED.claimed_until
            WHERE pushes.status = 'sending' AND pushes.claimed_until <= :now
            RETURNING device_id
        )
        SELECT id, platform, token, registered_at FROM device JOIN claimed ON claimed.device_id = device.id
        """,
        notification_id=found.id,
        member_id=found.member_id,
        device_id=device_id,
        now=now,
        until=until,
    )


def release(tx: Tx, notification_id: UUID, device_id: UUID, until: datetime) -> None:
    """End the claim at `until`; from then on any worker may try again."""
    tx.run(
        """
        UPDATE pushes SET claimed_until = :until
        WHERE notification_id = :notification_id AND device_id = :device_id AND status = 'sending'
        """,
        notification_id=notification_id,
        device_id=device_id,
        until=until,
    )


def finish(tx: Tx, notification_id: UUID, device_id: UUID, status: str, now: datetime) -> None:
    """Mark the push as sent or refused, so that it is not tried again."""
    tx.run(
        """
        UPDATE pushes SET status = :status, finished_at = :now
        WHERE notification_id = :notification_id AND device_id = :device_id AND status = 'sending'
        """,
        notification_id=notification_id,
        device_id=device_id,
        status=status,
        now=now,
    )


def forget(tx: Tx, device: Device) -> bool:
    """Delete a device and its pushes; False, and it stays, if it was registered again after its push was claimed."""
    return (
        tx.run(
            "DELETE FROM devices WHERE id = :id AND token = :token AND registered_at = :registered_at",
            id=device.id,
            token=device.token,
            registered_at=device.registered_at,
        )
        == 1
    )
