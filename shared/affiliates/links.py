"""Referral links: which affiliate a code leads to, and how often links are followed."""

import re
from datetime import UTC, datetime
from uuid import UUID

from shared.db import Tx
from shared.web import quotas
from shared.web.http import Client
from shared.web.quotas import Quota

NETWORK_CLICKS_MAX = 300  # in an hour, on all links together
LINK_CLICKS_MAX = 20  # in an hour, of one network on the links of one member
# Programs that fetch links: search engines, previews of messages and social networks, libraries, checks.
PROGRAMS = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|facebookexternalhit|whatsapp|telegram|skype|embedly|pinterest|vkshare"
    r"|headless|lighthouse|monitor|curl|wget|python|java/|okhttp|go-http|axios|node-fetch|libwww|http-?client|scan",
    re.IGNORECASE,
)


def referrer(tx: Tx, code: str) -> UUID | None:
    """The active affiliate with this username, former username or referral code. Members with an unproved address do
    not count, nor those who signed up after the program closed.
    """
    return tx.scalar_or_none(
        UUID,
        """
        SELECT id FROM members
        WHERE status = 'active' AND email_verified_at IS NOT NULL AND is_affiliate(created_at)
          AND (lower(username) = lower(:code)
               OR id = (SELECT member_id FROM former_usernames WHERE name = lower(:code))
               OR id = (SELECT member_id FROM referral_codes WHERE code = lower(:code)))
        """,
        code=code,
    )


def is_program(user_agent: str) -> bool:
    """True if no person has followed the link: a program that says so, or nothing that says what it is."""
    return not user_agent.strip() or bool(PROGRAMS.search(user_agent))


def count_click(tx: Tx, affiliate_id: UUID, code: str, client: Client, now: datetime) -> None:
    """Count a click on a link of the affiliate's, unless it is a program's, or beyond what is counted of a network."""
    if is_program(client.user_agent):
        return
    limits = [
        Quota(f"clicks from {client.network}", NETWORK_CLICKS_MAX),
        Quota(f"clicks on {affiliate_id} from {client.network}", LINK_CLICKS_MAX),
    ]
    if quotas.used_up(limits, quotas.count(tx, limits, now)):
        return
    tx.run(
        """
        INSERT INTO referral_clicks AS kept (member_id, day, code, clicks)
        VALUES (:affiliate_id, :day, lower(:code), 1)
        ON CONFLICT (member_id, day, code) DO UPDATE SET clicks = kept.clicks + 1
        """,
        affiliate_id=affiliate_id,
        day=now.astimezone(UTC).date(),
        code=code,
    )


def custom_codes(tx: Tx, member_id: UUID) -> list[str]:
    """The member's own codes for links, the latest chosen one first."""
    return tx.column(
        str,
        "SELECT code FROM referral_codes WHERE member_id = :member_id ORDER BY created_at DESC, code",
        member_id=member_id,
    )
