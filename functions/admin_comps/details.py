"""Replies that show comps to admins."""

from datetime import datetime
from typing import Any
from uuid import UUID

from functions.admin_comps import rules, store
from functions.admin_comps.rules import Milestone
from functions.admin_comps.store import CompMatch, CompPayout
from shared.db import Tx
from shared.values import tiers
from shared.values.fields import Money, Reply
from shared.values.prizes import CompType
from shared.values.problems import NotFound
from shared.values.tiers import Tier


class CompWinner(Reply):
    """The winner of a comp; `member_id` is the visible member number, such as BJ-0001-WH."""

    id: UUID
    member_id: str
    username: str


class AdminComp(Reply):
    """A comp as it appears in a list."""

    id: UUID
    type: CompType
    amount: Money
    status: str
    member: CompWinner
    source_kind: str
    scan_number: int | None
    awarded_at: datetime
    paid_at: datetime | None
    cancelled_at: datetime | None
    transaction_hash: str | None


class PrizeDecision(Reply):
    """The decision about one prize for a scan's number: the reason in English, and as a text's code and parameters.
    Decisions of earlier releases have no code.
    """

    type: CompType
    awarded: bool
    reason: str
    code: str | None
    params: dict[str, Any]


class CompWhy(Reply):
    """Why the comp was awarded: the rule and the unlock state at that time, not those of today.

    `missed` are the higher prizes for the same number that were not won; `inputs` is everything that was recorded.
    """

    source_kind: str
    source_id: str
    scan_id: UUID | None
    scan_number: int | None
    interval: int | None
    tier: Tier | None
    tier_needed: Tier | None
    tins_per_month: int | None
    unlock_volume: int | None
    unlocked_by_admin: bool | None
    missed: list[PrizeDecision]
    decisions: list[PrizeDecision]
    inputs: dict[str, Any]


class AdminCompDetail(AdminComp):
    """A comp with its payment, its match, and the reason for its award."""

    cancel_reason: str | None
    wallet_address: str | None
    payout: CompPayout | None
    match: CompMatch | None
    why: CompWhy


def listed(comp: store.Comp) -> dict[str, Any]:
    """The fields of an AdminComp."""
    tier = tiers.effective(comp.quarter_tier, comp.permanent_tier)
    member = CompWinner(
        id=comp.winner_id, member_id=tiers.member_id(comp.winner_number, tier), username=comp.winner_username
    )
    shown = {name: value for name, value in vars(comp).items() if name in AdminComp.model_fields}
    return shown | {"member": member}


def detail(tx: Tx, comp_id: UUID, now: datetime) -> AdminCompDetail:
    """Build the reply for one comp. Raises NotFound."""
    comp = store.comp(tx, comp_id, tiers.quarter_of(now))
    if comp is None:
        raise NotFound
    known = store.background(tx, comp_id)
    return AdminCompDetail(
        **listed(comp),
        cancel_reason=known.cancel_reason,
        wallet_address=known.wallet_address,
        payout=store.payout(tx, comp_id),
        match=store.match(tx, comp_id),
        why=_why(comp, known.reason, store.milestones(tx, comp.scan_number)),
    )


def _why(comp: store.Comp, inputs: dict[str, Any], milestones: list[Milestone]) -> CompWhy:
    recorded = ("interval", "tier", "tier_needed", "tins_per_month", "unlock_volume", "unlocked_by_admin")
    return CompWhy(
        source_kind=comp.source_kind,
        source_id=comp.source_id,
        scan_id=comp.scan_id,
        scan_number=comp.scan_number,
        **{name: inputs.get(name) for name in recorded},
        missed=[PrizeDecision(**vars(found)) for found in rules.missed_above(comp.type, milestones)],
        decisions=[PrizeDecision(**vars(found)) for found in milestones],
        inputs=inputs,
    )
