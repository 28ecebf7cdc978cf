"""Operations on cases: the queue, one case, and the decision about it."""

from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_social import case_store, members, message_store, messages, rules, sanctioning
from functions.admin_social.case_store import Locked
from functions.admin_social.common import Support, api
from functions.admin_social.message_store import Message
from functions.admin_social.models import (
    AdminChatCase,
    AdminChatCaseDetail,
    AdminChatMessage,
    CaseFilter,
    ChatDecision,
)
from shared.auth import Admin
from shared.db import Tx
from shared.social import heads, images, standings
from shared.social.sanctions import Sanction, SanctionKind
from shared.values.encoding import moment
from shared.values.fields import Listing
from shared.values.problems import NotFound, NotValid
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client, IfMatch
from shared.web.paging import Rank

ORDER = "urgency"
DIARY_SHOWN = 200
SANCTIONS = frozenset({"mute", "timeout", "ban", "lift"})
REMOVING = frozenset({"remove", "mute", "timeout", "ban"})  # what is done about a message also removes it


@api.get("/v1/admin/social/cases")
def list_chat_cases(tx: Tx, admin: Support, page: CaseFilter) -> Listing[AdminChatCase]:
    """List cases, the most urgent first."""
    after = paging.after_rank(page.cursor, ORDER)
    if page.state == "open":
        rows = case_store.open_cases(tx, after, page.limit + 1)
    else:
        rows = case_store.cases(tx, after, page.limit + 1, decided_only=page.state is not None)
    shown, cursor = paging.page(rows, page.limit, lambda row: Rank(ORDER, row.urgency, row.id))
    return Listing[AdminChatCase](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/social/cases/{case_id}")
def get_chat_case(tx: Tx, admin: Support, case_id: UUID, now: datetime) -> AdminChatCaseDetail:
    """Return one case with its texts, its message as it is now, its member, and its diary."""
    return _detail(tx, case_id, now)


@api.put(
    "/v1/admin/social/cases/{case_id}/decision",
    problems=(rules.AdminNotSanctioned, rules.CaseDecided, rules.OwnCase),
)
def decide_chat_case(
    tx: Tx, admin: Support, case_id: UUID, body: ChatDecision, version: IfMatch, client: Client, now: datetime
) -> AdminChatCaseDetail:
    """Decide once about a case, of which this version was read. What is done to a member because of a message also
    removes the message.
    """
    until = rules.ends_at(body.decision, body.hours, now)
    case, message = _lock(tx, admin, case_id, body.decision)
    version.check(case.version)
    if case.decision:
        raise rules.CaseDecided(decision=case.decision)
    removed = message if message and not message.removed_at and body.decision in REMOVING else None
    if removed:
        messages.take_down(tx, removed, now)
    case_store.decide(tx, case_id, body.decision, body.reason, admin_id=admin.id, now=now)
    if body.decision in SANCTIONS or removed:
        given = Sanction(
            uuid4(),
            case.member_id,
            SanctionKind(body.decision) if body.decision in SANCTIONS else SanctionKind.REMOVAL,
            body.reason,
            until,
            given_by=admin.id,
            case_id=case_id,
            message_id=removed.id if removed else None,
        )
        sanctioning.give(tx, given, now)
    changes = {
        "decision": body.decision,
        "until": moment(until) if until else None,
        "reason": body.reason,
        "removed": removed is not None,
    }
    audit.record(tx, admin, client, Action("chat_case.decide", "chat_case", case_id, changes), now)
    if removed:
        heads.note_one(tx, "removed", removed, now)
    return _detail(tx, case_id, now)


def _lock(tx: Tx, admin: Admin, case_id: UUID, decision: str) -> tuple[Locked, Message | None]:
    """The case and its message, locked after the standing of its member. Raises NotFound, OwnCase,
    AdminNotSanctioned, NotValid.
    """
    case = case_store.find(tx, case_id)
    if case is None:
        raise NotFound
    if case.member_id == admin.id:
        raise rules.OwnCase
    if decision == "remove" and case.message_id is None:
        raise NotValid(errors=[{"field": "/decision", "message": "a case about a member has no message to remove"}])
    if decision in SANCTIONS:
        sanctioning.lock(tx, admin, case.member_id)
    else:
        standings.lock(tx, [case.member_id])
    message = message_store.locked(tx, case.message_id) if case.message_id else None
    locked = case_store.lock(tx, case_id)
    if locked is None:
        raise NotFound
    return locked, message


def _detail(tx: Tx, case_id: UUID, now: datetime) -> AdminChatCaseDetail:
    """The case as it is now. Raises NotFound."""
    case, copies = case_store.detail(tx, case_id)
    message = message_store.find(tx, case.message_id) if case.message_id else None
    return AdminChatCaseDetail(
        revision=case.revision,
        case=case,
        copies=copies,
        message=_shown(message) if message else None,
        member=members.record(tx, case.member_id, now),
        diary=case_store.diary(tx, case_id, DIARY_SHOWN),
    )


def _shown(message: Message) -> AdminChatMessage:
    return AdminChatMessage(
        id=message.id,
        channel_id=message.channel_id,
        number=message.number,
        member_id=message.member_id,
        text=message.text,
        media_type=message.media_type,
        media_id=message.media_id,
        url=images.address(message.media_type, message.media_id) if message.media_id else None,
        posted_at=message.posted_at,
        edited_at=message.edited_at,
        removed_at=message.removed_at,
        removed_by=message.removed_by,
    )
