"""Support: the token by which Intercom's messenger knows the member, and appeals of sanctions (docs/support.md)."""

from datetime import datetime, timedelta

from functions.profile import rules, support_records
from functions.profile.models import Appeal, AppealDraft, Sanction, SupportGrant, SupportToken
from shared import events
from shared.auth import Claims, Member
from shared.db import Tx
from shared.events import SyncSupport
from shared.ports import support
from shared.ports.vendors import VendorMisconfigured
from shared.values import retry_after
from shared.values.fields import Listing, Page
from shared.web import paging
from shared.web.paging import Position
from shared.web.quotas import Limit, Quota

MESSENGER_TOKEN_LIFE = timedelta(minutes=5)  # time to open the messenger, which the app does at once


def limit_tokens(claims: Claims) -> Limit:
    """Limit the tokens of a member."""
    of_member = Quota(f"support token of {claims.member_id}", rules.SUPPORT_TOKENS_PER_HOUR)
    return Limit([of_member], rules.TooManySupportTokens)


def create_support_token(tx: Tx, member: Member, now: datetime) -> SupportGrant:
    """Issue a token for the messenger; from the first one on, Intercom is told of the member. Raises
    SupportUnavailable.
    """
    _check_configured()
    if support_records.begin(tx, member.id, now):
        events.enqueue(tx, now, SyncSupport(member_id=member.id))
    return SupportGrant(member_id=member.id, email=support_records.email(tx, member.id), issued_at=now)


def sign(grant: SupportGrant) -> SupportToken:
    """Sign the token; the same grant always gives the same one. Raises SupportUnavailable."""
    expires_at = grant.issued_at.replace(microsecond=0) + MESSENGER_TOKEN_LIFE
    try:
        token = support.identity_token(grant.member_id, grant.email, expires_at)
    except VendorMisconfigured:
        raise _unavailable() from None
    return SupportToken(token=token, expires_at=expires_at)


def list_sanctions(tx: Tx, member: Member, page: Page) -> Listing[Sanction]:
    """List what was done to the member in the chat, newest first, with what became of its appeal."""
    rows = support_records.sanctions(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda sanction: Position(sanction.given_at, sanction.id))
    return Listing[Sanction](items=list(shown), next_cursor=cursor)


def limit_appeals(claims: Claims) -> Limit:
    """Limit the appeals of a member."""
    return Limit([Quota(f"appeal of {claims.member_id}", rules.APPEALS_PER_HOUR)], rules.TooManyAppeals)


def appeal_sanction(tx: Tx, member: Member, body: AppealDraft, now: datetime) -> Appeal:
    """Appeal a sanction of the member's own, once; support_sync opens the conversation about it. Raises
    SanctionUnknown, SanctionNotAppealable, SanctionAppealed, SupportUnavailable.
    """
    _check_configured()
    kind = support_records.kind(tx, member.id, body.sanction_id)
    if kind is None:
        raise rules.SanctionUnknown
    if kind == rules.LIFT:
        raise rules.SanctionNotAppealable
    if not support_records.insert_appeal(tx, member.id, body.sanction_id, body.message, now):
        raise rules.SanctionAppealed
    support_records.note_change(tx, member.id, now)
    events.enqueue(tx, now, SyncSupport(member_id=member.id))
    return Appeal(sanction_id=body.sanction_id, appealed_at=now)


def _check_configured() -> None:
    if not support.is_messenger_configured():
        raise _unavailable()


def _unavailable() -> rules.SupportUnavailable:
    return rules.SupportUnavailable(headers={"Retry-After": str(retry_after.MISCONFIGURED_SECONDS)})
