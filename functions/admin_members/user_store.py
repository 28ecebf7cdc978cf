"""Accounts as admins search, read and change them, as rows."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from functions.admin_members.models import UserChange
from shared.auth import Admin, Role
from shared.db import Tx
from shared.values.money import Usdt
from shared.values.tiers import Tier
from shared.web.http import Client
from shared.web.paging import Position

BEGINNINGS_MAX = 1000


@dataclass(frozen=True)
class Wanted:
    """Conditions for members; None means no condition. `begins` is a pattern of LIKE."""

    email: str | None
    username: str | None
    wallet: str | None
    number: int | None
    begins: str | None


@dataclass(frozen=True)
class Listed:
    """A member in the list of all."""

    id: UUID
    number: int
    username: str | None
    full_name: str | None
    email: str | None
    wallet_address: str | None
    status: str
    role: Role | None
    permanent_tier: Tier
    quarter_tier: Tier
    created_at: datetime


@dataclass(frozen=True)
class Account:
    """A member's account with its totals, and what is known of it as an affiliate's."""

    id: UUID
    email: str
    email_verified_at: datetime | None
    username: str
    full_name: str
    phone: str | None
    date_of_birth: date
    address_line1: str | None
    address_line2: str | None
    city: str | None
    state: str | None
    zip_code: str | None
    country: str
    language: str
    status: str
    role: Role | None
    wallet_address: str | None
    wallet_rests_until: datetime | None
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None
    revision: int
    scans: int
    lifetime_comps: Usdt
    comps_paid: Usdt
    is_affiliate: bool
    downline: int
    referred_by: UUID | None
    referred_by_username: str | None


def members(tx: Tx, wanted: Wanted, quarter: str, after: Position | None, limit: int) -> list[Listed]:
    """Members after a position, newest first. The query is planned anew each time, to use the index of the given
    filters.
    """
    tx.run_later("SET LOCAL plan_cache_mode = force_custom_plan")
    return tx.all(
        Listed,
        """
        SELECT m.id, m.number, CASE WHEN m.status <> 'deleted' THEN m.username END AS username,
               CASE WHEN m.status <> 'deleted' THEN m.full_name END AS full_name,
               CASE WHEN m.status <> 'deleted' THEN m.email END AS email,
               m.wallet_address, m.status, m.role, m.permanent_tier, coalesce(q.tier, 'standard') AS quarter_tier,
               m.created_at
        FROM members m
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE (CAST(:email AS text) IS NULL OR lower(m.email) = lower(:email))
          AND (CAST(:username AS text) IS NULL OR lower(m.username) = lower(:username))
          AND (CAST(:wallet AS text) IS NULL OR lower(m.wallet_address::text) = lower(:wallet))
          AND (CAST(:number AS bigint) IS NULL OR m.number = :number)
          AND (CAST(:begins AS text) IS NULL OR m.id = ANY (ARRAY(
                (SELECT id FROM members WHERE lower(username) LIKE :begins ORDER BY lower(username) LIMIT :most)
                UNION ALL
                (SELECT id FROM members WHERE lower(email) LIKE :begins ORDER BY lower(email) LIMIT :most))))
          AND (CAST(:at AS timestamptz) IS NULL OR (m.created_at, m.id) < (:at, CAST(:id AS uuid)))
        ORDER BY m.created_at DESC, m.id DESC LIMIT :limit
        """,
        **vars(wanted),
        most=BEGINNINGS_MAX,
        quarter=quarter,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def account(tx: Tx, member_id: UUID) -> Account | None:
    """The account of a member; None if there is none."""
    return tx.first(
        Account,
        """
        SELECT m.id, m.email, m.email_verified_at, m.username, m.full_name, m.phone, m.date_of_birth, m.address_line1,
               m.address_line2, m.city, m.state, m.zip_code, m.country, m.language, m.status, m.role, m.wallet_address,
               m.wallet_rests_until, m.created_at, m.updated_at, m.last_login_at, m.profile_revision AS revision,
               t.scans, t.lifetime_comps, t.comps_paid, is_affiliate(m.created_at) AS is_affiliate,
               coalesce(f.downline, 0) AS downline, m.referred_by_id AS referred_by,
               r.username AS referred_by_username
        FROM members m
        JOIN member_totals t ON t.member_id = m.id
        LEFT JOIN affiliate_figures f ON f.affiliate_id = m.id
        LEFT JOIN members r ON r.id = m.referred_by_id
        WHERE m.id = :member_id
        """,
        member_id=member_id,
    )


def payouts_held(tx: Tx, member_id: UUID) -> int:
    """How many payouts to the member are held, or in quarantine."""
    return tx.scalar(
        int,
        "SELECT count(*) FROM payouts WHERE member_id = :member_id AND payout_is_stopped(state)",
        member_id=member_id,
    )


def change(tx: Tx, member_id: UUID, wanted: UserChange, now: datetime) -> None:
    """Store a new version of names, address and language. Raises ConstraintViolated (members_username, username_former)
    when another member has or had the name.
    """
    tx.run(
        """
        UPDATE members SET username = :username, full_name = :full_name, address_line1 = :address_line1,
               address_line2 = :address_line2, city = :city, state = :state, zip_code = :zip_code, country = :country,
               language = :language, updated_at = :now, profile_revision = profile_revision + 1
        WHERE id = :id
        """,
        id=member_id,
        now=now,
        **wanted.model_dump(exclude={"reason"}),
    )


def set_role(tx: Tx, member_id: UUID, role: Role | None, now: datetime) -> None:
    """Give the member a role, or none. Raises ConstraintViolated (last_owner) if no other owner would be left."""
    tx.run("UPDATE members SET role = :role, updated_at = :now WHERE id = :id", id=member_id, role=role, now=now)


def end_admin_sessions(tx: Tx, member_id: UUID, now: datetime) -> None:
    """End the member's sessions as an admin: what they may do has changed."""
    tx.run_later(
        """
        UPDATE sessions SET ended_at = :now, end_reason = 'role changed'
        WHERE member_id = :member_id AND device_kind = 'admin' AND ended_at IS NULL
        """,
        member_id=member_id,
        now=now,
    )


def record_view(tx: Tx, admin: Admin, member_id: UUID, client: Client, now: datetime) -> None:
    """Write to the audit log that the admin has read the member's file, once an hour."""
    tx.run_later(
        """
        INSERT INTO audit_logs (actor_id, action, resource_type, resource_id, ip_address, user_agent, created_at)
        VALUES (:actor_id, 'member.viewed', 'member', :member_id, :ip_address, :user_agent, :now)
        ON CONFLICT DO NOTHING
        """,
        actor_id=admin.id,
        member_id=str(member_id),
        ip_address=client.ip_address,
        user_agent=client.user_agent,
        now=now,
    )
