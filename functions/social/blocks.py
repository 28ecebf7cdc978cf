"""Members of whom a member wants to hear nothing: they cannot notify, and clients fold their messages away."""

from datetime import datetime
from uuid import UUID

from functions.social import block_store, rules
from functions.social.models import ChatBlock
from shared.auth import Member
from shared.db import Tx
from shared.social import standings
from shared.values.fields import Listing, Page
from shared.values.problems import NotFound
from shared.web import paging
from shared.web.paging import Position


def block(tx: Tx, member: Member, blocked_id: UUID, now: datetime) -> None:
    """Block a member. Harmless twice. Raises NotFound, CannotBlockYourself, TooManyBlocks."""
    if blocked_id == member.id:
        raise rules.CannotBlockYourself
    if not block_store.exists(tx, blocked_id):
        raise NotFound
    standings.lock(tx, [member.id])
    if block_store.insert(tx, member.id, blocked_id, now) and block_store.count(tx, member.id) > rules.BLOCKS_MAX:
        raise rules.TooManyBlocks


def unblock(tx: Tx, member: Member, blocked_id: UUID) -> None:
    """Take a block back. Harmless twice."""
    block_store.delete(tx, member.id, blocked_id)


def blocks(tx: Tx, member: Member, page: Page) -> Listing[ChatBlock]:
    """The members whom the member has blocked, the newest first."""
    rows = block_store.blocks(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.blocked_at, row.member_id))
    return Listing[ChatBlock](items=list(shown), next_cursor=cursor)
