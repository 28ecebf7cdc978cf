"""Members report messages and members to people (docs/social.md, "Cases").

All reports of one message, or of one member, belong to its one open case. Whoever reports it twice gets the same case.
"""

from datetime import datetime
from uuid import UUID

from functions.social import acts, report_store, rules, store
from functions.social.models import ChatReport, ReportDraft
from functions.social.report_store import Case, Evidence
from shared.auth import Claims, Member
from shared.db import Tx
from shared.social import standings
from shared.social.refusals import BannedFromChat
from shared.values.problems import NotFound
from shared.web.quotas import Limit, Quota


def limit(claims: Claims) -> Limit:
    """Limit the reports of a member."""
    return Limit([Quota(f"chat report of {claims.member_id}", rules.REPORTS_PER_HOUR)], rules.TooManyChatReports)


def report_message(tx: Tx, member: Member, message_id: UUID, draft: ReportDraft, now: datetime) -> ChatReport:
    """Report a message that the member sees; the message is locked, so that nobody else opens a case of it."""
    _, message, _ = acts.reach(tx, member, message_id, removed_too=True)
    if message.member_id is None or message.member_id == member.id:
        raise rules.NothingToReport
    case = report_store.case_of_message(tx, message.id, message.revision)
    if case and not (case.is_open or case.has_text or message.removed_at):
        case = None  # what was decided was another text
    if case and report_store.has_reported(tx, case.id, member.id):
        return _told(case)
    if message.removed_at:
        raise NotFound
    evidence = Evidence(
        message.member_id,
        message.text,
        message_id=message.id,
        revision=message.revision,
        channel_id=message.channel_id,
        number=message.number,
    )
    return _told(_report(tx, member, case, evidence, draft, now=now))


def report_member(tx: Tx, member: Member, member_id: UUID, draft: ReportDraft, now: datetime) -> ChatReport:
    """Report a member, whose standing is locked, so that nobody else opens a case of theirs."""
    if standings.is_banned(tx, member.id):
        raise BannedFromChat
    if member_id == member.id:
        raise rules.NothingToReport
    card = store.card(tx, member_id, now)
    if card is None:
        raise NotFound
    standings.lock(tx, [member.id, member_id])
    case = report_store.open_case_of_member(tx, member_id)
    if case and report_store.has_reported(tx, case.id, member.id):
        return _told(case)
    return _told(_report(tx, member, case, Evidence(member_id, card.username), draft, now=now))


def _report(
    tx: Tx, member: Member, case: Case | None, evidence: Evidence, draft: ReportDraft, *, now: datetime
) -> Case:
    """Add the report to the case, or open one. The text is kept as it was reported, each revision of it once."""
    severity = rules.SEVERITY[draft.reason]
    if case is None:
        case = report_store.open_case(tx, evidence, severity, now)
    else:
        report_store.add_to_case(tx, case, evidence, severity)
    report_store.insert(tx, case.id, member.id, draft, now)
    return case


def _told(case: Case) -> ChatReport:
    return ChatReport(case_id=case.id, state="open" if case.is_open else "decided")
