"""Profiles, preferences, devices, pictures and exports of members, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.profile.models import RegisteredDevice
from shared.db import Tx
from shared.values.money import Usdt


@dataclass(frozen=True)
class Profile:
    """A member's row with the totals, the pending e-mail address and the picture."""

    number: int
    username: str
    full_name: str
    email: str
    pending_email: str | None
    bio: str | None
    language: str
    phone: str | None
    address_line1: str | None
    address_line2: str | None
    city: str | None
    state: str | None
    zip_code: str | None
    country: str
    avatar_url: str | None
    avatar_object: str | None
    avatar_status: str | None
    revision: int
    total_scans: int
    lifetime_comps: Usdt
    created_at: datetime


@dataclass(frozen=True)
class EmailChange:
    """A new address that waits for its code."""

    id: UUID
    new_email: str
    code_mac: bytes
    expires_at: datetime
    attempts: int


@dataclass(frozen=True)
class Preference:
    """A member's preference for one type of notification."""

    type: str
    push: bool
    email: bool


@dataclass(frozen=True)
class Export:
    """A file with a member's data."""

    id: UUID
    status: str
    object_name: str
    asked_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None


def profile(tx: Tx, member_id: UUID, now: datetime) -> Profile:
    """The member's own profile."""
    return tx.one(
        Profile,
        """
        SELECT m.number, m.username, m.full_name, m.email,
               CASE WHEN change.expires_at > :now THEN change.new_email END AS pending_email,
               m.bio, m.language, m.phone, m.address_line1, m.address_line2, m.city, m.state, m.zip_code, m.country,
               m.avatar_url, live.object_name AS avatar_object, newest.status AS avatar_status,
               m.profile_revision AS revision, t.scans AS total_scans, t.lifetime_comps, m.created_at
        FROM members m
        JOIN member_totals t ON t.member_id = m.id
        LEFT JOIN email_changes change ON change.member_id = m.id
        LEFT JOIN avatars live ON live.member_id = m.id AND live.status = 'live'
        LEFT JOIN LATERAL (SELECT status FROM avatars WHERE member_id = m.id ORDER BY uploaded_at DESC LIMIT 1)
             AS newest ON true
        WHERE m.id = :member_id
        """,
        member_id=member_id,
        now=now,
    )


def lock(tx: Tx, member_id: UUID) -> None:
    """Lock the member, so that a profile changes one step at a time."""
    tx.run("SELECT 1 FROM members WHERE id = :id FOR NO KEY UPDATE", id=member_id)


def change(
    tx: Tx,
    member_id: UUID,
    *,
    username: str,
    full_name: str,
    bio: str | None,
    language: str,
    phone: str | None,
    address_line1: str | None,
    address_line2: str | None,
    city: str | None,
    state: str | None,
    zip_code: str | None,
    country: str,
    now: datetime,
) -> None:
    """Store a new version of the profile. Raises ConstraintViolated (members_username, username_former) when another
    member has or had the name.
    """
    tx.run(
        """
        UPDATE members SET username = :username, full_name = :full_name, bio = :bio, language = :language,
               phone = :phone, address_line1 = :address_line1, address_line2 = :address_line2, city = :city,
               state = :state, zip_code = :zip_code, country = :country, updated_at = :now,
               profile_revision = profile_revision + 1
        WHERE id = :id
        """,
        id=member_id,
        username=username,
        full_name=full_name,
        bio=bio,
        language=language,
        phone=phone,
        address_line1=address_line1,
        address_line2=address_line2,
        city=city,
        state=state,
        zip_code=zip_code,
        country=country,
        now=now,
    )


def renames_since(tx: Tx, member_id: UUID, since: datetime) -> list[datetime]:
    """The member's renames since then, oldest first."""
    return tx.column(
        datetime,
        """
        SELECT given_up_at FROM former_usernames WHERE member_id = :member_id AND given_up_at > :since
        ORDER BY given_up_at
        """,
        member_id=member_id,
        since=since,
    )


def email_is_taken(tx: Tx, email: str) -> bool:
    """Whether another account has proved this address, in any capitalization; an unproved sign-up does not block it."""
    found = tx.scalar_or_none(
        UUID,
        "SELECT id FROM members WHERE lower(email) = lower(:email) AND email_verified_at IS NOT NULL",
        email=email,
    )
    return found is not None


def ask_email_change(
    tx: Tx, member_id: UUID, change_id: UUID, email: str, code_mac: bytes, now: datetime, until: datetime
) -> None:
    """Store the new address that waits for its code, instead of an earlier one."""
    tx.run(
        """
        INSERT INTO email_changes (member_id, id, new_email, code_mac, asked_at, expires_at)
        VALUES (:member_id, :id, :email, :code_mac, :now, :until)
        ON CONFLICT (member_id) DO UPDATE SET id = EXCLUDED.id, new_email = EXCLUDED.new_email,
            code_mac = EXCLUDED.code_mac, asked_at = EXCLUDED.asked_at, expires_at = EXCLUDED.expires_at, attempts = 0
        """,
        member_id=member_id,
        id=change_id,
        email=email,
        code_mac=code_mac,
        now=now,
        until=until,
    )


def email_change(tx: Tx, member_id: UUID, now: datetime) -> EmailChange | None:
    """The waiting change, locked, so that guesses are counted one by one."""
    return tx.first(
        EmailChange,
        """
        SELECT id, new_email, code_mac, expires_at, attempts FROM email_changes
        WHERE member_id = :member_id AND expires_at > :now FOR UPDATE
        """,
        member_id=member_id,
        now=now,
    )


def count_email_attempt(tx: Tx, member_id: UUID) -> None:
    """Count one guess of the code for the new address."""
    tx.run_later("UPDATE email_changes SET attempts = attempts + 1 WHERE member_id = :member_id", member_id=member_id)


def change_email(tx: Tx, member_id: UUID, email: str, now: datetime) -> None:
    """Make the proved address the member's. Raises ConstraintViolated (members_email) when another member has it."""
    tx.run(
        """
        UPDATE members SET email = :email, email_verified_at = :now, updated_at = :now,
               profile_revision = profile_revision + 1
        WHERE id = :id
        """,
        id=member_id,
        email=email,
        now=now,
    )
    tx.run("DELETE FROM email_changes WHERE member_id = :member_id", member_id=member_id)


def preferences(tx: Tx, member_id: UUID) -> list[Preference]:
    """The preferences that the member has set. Types that were never changed are left out: the default holds."""
    return tx.all(
        Preference,
        "SELECT type, push, email FROM notification_preferences WHERE member_id = :member_id",
        member_id=member_id,
    )


def prefer(tx: Tx, member_id: UUID, kind: str, *, push: bool, email: bool) -> None:
    """Store the preference for one type of notification."""
    tx.run_later(
        """
        INSERT INTO notification_preferences (member_id, type, push, email) VALUES (:member_id, :type, :push, :email)
        ON CONFLICT (member_id, type) DO UPDATE SET push = EXCLUDED.push, email = EXCLUDED.email
        """,
        member_id=member_id,
        type=kind,
        push=push,
        email=email,
    )


def devices(tx: Tx, member_id: UUID) -> list[RegisteredDevice]:
    """The member's devices, newest first."""
    return tx.all(
        RegisteredDevice,
        """
        SELECT id, platform, registered_at FROM devices WHERE member_id = :member_id
        ORDER BY registered_at DESC, id
        """,
        member_id=member_id,
    )


def lock_session(tx: Tx, session_id: UUID) -> bool:
    """Lock the session, so that it cannot end before the commit; False if it has ended. Sessions are locked before
    devices.
    """
    return bool(tx.run("SELECT FROM sessions WHERE id = :id AND ended_at IS NULL FOR SHARE", id=session_id))


def register_device(
    tx: Tx, device_id: UUID, member_id: UUID, session_id: UUID, platform: str, token: str, now: datetime
) -> RegisteredDevice:
    """Register the token for this session, with which it ends. Another member who had the token has signed out of that
    device.
    """
    tx.run("DELETE FROM devices WHERE token = :token AND member_id <> :member_id", token=token, member_id=member_id)
    return tx.one(
        RegisteredDevice,
        """
        INSERT INTO devices (id, member_id, session_id, platform, token, registered_at)
        VALUES (:id, :member_id, :session_id, :platform, :token, :now)
        ON CONFLICT (token) DO UPDATE SET platform = EXCLUDED.platform, registered_at = EXCLUDED.registered_at,
            member_id = EXCLUDED.member_id, session_id = EXCLUDED.session_id
        RETURNING id, platform, registered_at
        """,
        id=device_id,
        member_id=member_id,
        session_id=session_id,
        platform=platform,
        token=token,
        now=now,
    )


def forget_oldest_devices(tx: Tx, member_id: UUID, kept: int) -> None:
    """Delete all but the newest `kept` devices of the member."""
    tx.run(
        """
        DELETE FROM devices WHERE id IN (
            SELECT id FROM devices WHERE member_id = :member_id ORDER BY registered_at DESC, id OFFSET :kept)
        """,
        member_id=member_id,
        kept=kept,
    )


def remove_device(tx: Tx, member_id: UUID, device_id: UUID) -> bool:
    """Delete a device; False if the member has no such device."""
    return (
        tx.run("DELETE FROM devices WHERE id = :id AND member_id = :member_id", id=device_id, member_id=member_id) == 1
    )


def uploads_since(tx: Tx, member_id: UUID, since: datetime) -> list[datetime]:
    """The member's uploads since then, oldest first."""
    return tx.column(
        datetime,
        "SELECT uploaded_at FROM avatars WHERE member_id = :member_id AND uploaded_at > :since ORDER BY uploaded_at",
        member_id=member_id,
        since=since,
    )


def insert_avatar(
    tx: Tx,
    avatar_id: UUID,
    member_id: UUID,
    object_name: str,
    content_type: str,
    large: bytes,
    small: bytes,
    now: datetime,
) -> None:
    """Insert a picture that waits to be checked."""
    tx.run(
        """
        INSERT INTO avatars (id, member_id, object_name, content_type, large, small, uploaded_at)
        VALUES (:id, :member_id, :object_name, :content_type, :large, :small, :now)
        """,
        id=avatar_id,
        member_id=member_id,
        object_name=object_name,
        content_type=content_type,
        large=large,
        small=small,
        now=now,
    )


def retire_avatars(tx: Tx, member_id: UUID, now: datetime) -> list[UUID]:
    """Remove the member's picture, shown or waiting; returns those whose files have to be deleted."""
    tx.run(
        """
        UPDATE members SET avatar_url = NULL, profile_revision = profile_revision + 1, updated_at = :now
        WHERE id = :id
        """,
        id=member_id,
        now=now,
    )
    return tx.column(
        UUID,
        """
        UPDATE avatars SET status = 'replaced', finished_at = coalesce(finished_at, :now), large = NULL, small = NULL
        WHERE member_id = :member_id AND status IN ('live', 'waiting') RETURNING id
        """,
        member_id=member_id,
        now=now,
    )


def newest_export(tx: Tx, member_id: UUID) -> Export | None:
    """The latest export, whatever its status; None if there was none."""
    return tx.first(
        Export,
        """
        SELECT id, status, object_name, asked_at, ready_at, expires_at FROM data_exports
        WHERE member_id = :member_id ORDER BY asked_at DESC LIMIT 1
        """,
        member_id=member_id,
    )


def insert_export(tx: Tx, export_id: UUID, member_id: UUID, object_name: str, now: datetime) -> None:
    """Insert an export that is to be made."""
    tx.run(
        """
        INSERT INTO data_exports (id, member_id, object_name, asked_at) VALUES (:id, :member_id, :object_name, :now)
        """,
        id=export_id,
        member_id=member_id,
        object_name=object_name,
        now=now,
    )


def export(tx: Tx, member_id: UUID, export_id: UUID) -> Export | None:
    """The member's own export with this id."""
    return tx.first(
        Export,
        """
        SELECT id, status, object_name, asked_at, ready_at, expires_at FROM data_exports
        WHERE id = :id AND member_id = :member_id
        """,
        id=export_id,
        member_id=member_id,
    )
