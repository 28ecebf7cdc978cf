"""Operations on the rules of comps and their history, and on the list of comps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from functions.admin_comps import details, rule_effects, rules, store
from functions.admin_comps.common import Operations, amount_from, api
from functions.admin_comps.details import AdminComp, AdminCompDetail
from functions.admin_comps.rule_effects import ChangedCompRule
from functions.admin_comps.rules import INTERVAL_MAX, INTERVAL_MIN, Terms
from functions.admin_comps.store import CompRule
from shared.auth import Admin
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.values import tiers
from shared.values.fields import Body, Listing, Moment, Money, Page, Reason, Reply, SixDigits
from shared.values.money import ZERO, Usdt
from shared.values.prizes import CompType
from shared.values.problems import NotFound, NotValid
from shared.values.tiers import Tier
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position


@dataclass(frozen=True)
class By:
    """The admin who changes a rule, and from where."""

    admin: Admin
    client: Client


class CompRuleEdit(Body):
    """The rule as it shall be. `revision` is the revision that was read: of two edits of the same one, the second is
    refused. `totp` is a code of the admin's own authenticator app.
    """

    revision: Annotated[int, Field(ge=1, le=2**31)]
    interval: Annotated[int, Field(ge=INTERVAL_MIN, le=INTERVAL_MAX)] | None
    tier: Tier
    amount: Annotated[Money, amount_from(ZERO)]
    unlock_volume: Annotated[int, Field(ge=0, le=rules.VOLUME_MAX)]
    awards_per_member: Annotated[int, Field(ge=1, le=rules.AWARDS_PER_MEMBER_MAX)] | None = None
    enabled: bool
    unlocked_by_admin: bool
    reason: Reason
    totp: SixDigits


class CompRuleRevert(Body):
    """The revision whose terms the rule shall have again (`to_revision`), and the one that was read (`revision`)."""

    revision: Annotated[int, Field(ge=1, le=2**31)]
    to_revision: Annotated[int, Field(ge=1, le=2**31 - 2)]
    reason: Reason
    totp: SixDigits


class CompRuleTerms(Reply):
    """The terms of a rule before or after a change."""

    interval: int | None
    tier: Tier
    amount: Money
    unlock_volume: int
    awards_per_member: int | None
    enabled: bool
    unlocked_by_admin: bool


class CompRuleChange(Reply):
    """A change of a rule with its author and reason; `revision` is the one that the change made."""

    id: UUID
    revision: int
    admin_id: UUID
    admin_username: str
    before: CompRuleTerms
    after: CompRuleTerms
    reason: str
    changed_at: datetime


class CompFilter(Page):
    """A page of the comps that match every given filter; `awarded_from` is inclusive, `awarded_to` exclusive."""

    status: Literal["pending", "in_review", "paid", "cancelled"] | None = None
    type: CompType | None = None
    member_id: UUID | None = None
    awarded_from: Moment | None = None
    awarded_to: Moment | None = None


@api.get("/v1/admin/comp-rules")
def list_comp_rules(tx: Tx, admin: Operations) -> Listing[CompRule]:
    """List all rules on one page."""
    return Listing[CompRule](items=store.rules(tx), next_cursor=None)


@api.put("/v1/admin/comp-rules/{comp_type}", problems=(rules.RuleChanged, *SECOND_FACTOR), dry_run=True)
def change_comp_rule(
    tx: Tx, admin: Operations, comp_type: str, body: CompRuleEdit, client: Client, now: datetime
) -> ChangedCompRule:
    """Change a rule from the next scan number on, or `rules_notice` numbers later where it gets worse for members. A
    dry run says from which number on, and whether the prize opens or closes.
    """
    kind = _prize(comp_type)
    totp.spend(tx, admin.id, body.totp, now)
    held = store.lock_rules(tx)
    terms = Terms(**{name: getattr(body, name) for name in Terms.__dataclass_fields__})
    return _changed(tx, held, kind, body, terms=terms, by=By(admin, client), now=now)


@api.post("/v1/admin/comp-rules/{comp_type}/revert", problems=(rules.RuleChanged, *SECOND_FACTOR), dry_run=True)
def revert_comp_rule(
    tx: Tx, admin: Operations, comp_type: str, body: CompRuleRevert, client: Client, now: datetime
) -> ChangedCompRule:
    """Give a rule the terms of an earlier revision, as a new one. Raises NotFound if there was no such revision."""
    kind = _prize(comp_type)
    totp.spend(tx, admin.id, body.totp, now)
    held = store.lock_rules(tx)
    found = store.terms_of(tx, kind, body.to_revision)
    if found is None:
        raise NotFound
    terms = Terms(**vars(_terms(found)))
    return _changed(tx, held, kind, body, terms=terms, by=By(admin, client), now=now)


@api.get("/v1/admin/comp-rules/{comp_type}/history")
def list_comp_rule_changes(tx: Tx, admin: Operations, comp_type: str, page: Page) -> Listing[CompRuleChange]:
    """List every change of a rule, newest first."""
    after = paging.after(page.cursor)
    rows = store.changes(tx, _prize(comp_type), after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda change: Position(change.changed_at, change.id))
    return Listing[CompRuleChange](items=[_change(change) for change in shown], next_cursor=cursor)


@api.get("/v1/admin/comps")
def search_comps(tx: Tx, admin: Operations, page: CompFilter, now: datetime) -> Listing[AdminComp]:
    """List the comps that match the filters, newest first."""
    wanted = store.Filter(page.status, page.type, page.member_id, page.awarded_from, page.awarded_to)
    rows = store.comps(tx, wanted, tiers.quarter_of(now), paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda comp: Position(comp.awarded_at, comp.id))
    return Listing[AdminComp](items=[AdminComp(**details.listed(comp)) for comp in shown], next_cursor=cursor)


@api.get("/v1/admin/comps/{comp_id}")
def get_comp(tx: Tx, admin: Operations, comp_id: UUID, now: datetime) -> AdminCompDetail:
    """Return one comp with all details."""
    return details.detail(tx, comp_id, now)


def _changed(
    tx: Tx,
    held: Mapping[CompType, CompRule],
    kind: CompType,
    body: CompRuleEdit | CompRuleRevert,
    *,
    terms: Terms,
    by: By,
    now: datetime,
) -> ChangedCompRule:
    """Make the terms the rule's next revision, recorded and audited. The caller has locked the rules."""
    before = held.get(kind)
    if before is None:
        raise NotFound
    if before.revision != body.revision:
        raise rules.RuleChanged(revision=before.revision)
    if faults := rules.faults(before.type, terms, {rule.type: rule.terms for rule in held.values()}):
        raise NotValid(errors=faults)
    in_force = rule_effects.in_force(tx, kind, before.terms)
    after = store.change_rule(tx, before.type, terms, now)
    store.insert_change(tx, before, after, by.admin.id, body.reason, now=now)
    changes = {"before": before.terms.recorded(), "after": terms.recorded(), "reason": body.reason}
    audit.record(tx, by.admin, by.client, Action("comp_rule.change", "comp_rule", after.type, changes), now)
    effect = rule_effects.of_change(tx, kind, in_force, terms, now)
    return ChangedCompRule(**vars(store.ruling(tx, after.type)), effect=effect)


def _prize(name: str) -> CompType:
    kind = rules.prize(name)
    if kind is None:
        raise NotFound
    return kind


def _change(row: store.Change) -> CompRuleChange:
    return CompRuleChange(
        id=row.id,
        revision=row.revision,
        admin_id=row.admin_id,
        admin_username=row.admin_username,
        before=_terms(row.before_terms),
        after=_terms(row.after_terms),
        reason=row.reason,
        changed_at=row.changed_at,
    )


def _terms(recorded: dict[str, Any]) -> CompRuleTerms:
    return CompRuleTerms(**recorded | {"amount": Usdt.of(recorded["amount"])})
