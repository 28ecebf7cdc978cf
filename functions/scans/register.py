"""Registers accepted scans: numbers, prizes, chips, tiers, and notifications to their members."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.scans import records, rules, store
from functions.scans.judge import Accepted
from functions.scans.receipts import Purse, ScanReceipt, Shown, receipt
from functions.scans.records import Scan
from functions.scans.rules import Climb, Decision, UnlockState
from functions.scans.values import MemberScans
from shared.auth import Member
from shared.comps import awards
from shared.comps.award_inputs import Inputs
from shared.comps.awards import Award, ScanReference
from shared.db import Tx
from shared.members import tier_history
from shared.members.tier_history import TierChange
from shared.messages import notifications
from shared.values import tiers
from shared.values.money import ZERO, Usdt
from shared.values.prizes import CompType
from shared.values.settings import Settings
from shared.values.tiers import Tier
from shared.web.signatures import Asked


@dataclass(frozen=True)
class _Entry:
    """A scan with its number and the decisions that follow from it."""

    asked: Asked[Member, Any]
    verdict: Accepted
    inputs: Inputs
    climb: Climb
    scan: Scan
    decisions: Sequence[Decision]


@dataclass
class Round:
    """The scans of one transaction. From `take_numbers` until the commit all other scans wait: nothing slow may follow
    it.
    """

    tx: Tx
    settings: Settings
    quarter: str
    now: datetime
    standings: Mapping[UUID, MemberScans]
    won_before: dict[UUID, Usdt] = field(default_factory=dict)
    risen: dict[UUID, Tier] = field(default_factory=dict)
    trips_won: int = 0

    def register(self, accepted: Sequence[tuple[Asked[Member, Any], Accepted]]) -> list[ScanReceipt]:
        """Give the scans their numbers, in order, and record everything that follows."""
        numbered = store.take_numbers(self.tx, len(accepted))
        entries = [
            self._entry(asked, verdict, number, numbered.inputs(number))
            for number, (asked, verdict) in enumerate(accepted, numbered.first)
        ]
        if self.risen:
            records.raise_tiers(self.tx, self.risen, self.quarter)
        records.insert_scans(self.tx, [entry.scan for entry in entries])
        referred = {
            entry.scan.number: affiliate
            for entry in entries
            if (affiliate := self.standings[entry.scan.member_id].referred_by_id)
        }
        if referred:
            records.insert_chips(self.tx, referred, self.now)
        return [self._finish(entry) for entry in entries]

    def _entry(self, asked: Asked[Member, Any], verdict: Accepted, number: int, inputs: Inputs) -> _Entry:
        climb = self._climb(verdict, inputs)
        decisions = self._decide(number, climb.tier, inputs)
        attempt = verdict.attempt
        scan = Scan(
            id=verdict.id,
            number=number,
            member_id=attempt.member_id,
            code_mac=attempt.mac,
            product_sku=verdict.code.product_sku,
            scanned_at=self.now,
            method=attempt.method,
            latitude=attempt.latitude,
            longitude=attempt.longitude,
            device_time=attempt.device_time,
            device_id=attempt.device_id,
            ip_address=attempt.ip_address,
            tier=climb.tier,
            quarter=self.quarter,
            quarter_scans=verdict.quarter_scans,
            usdt_earned=rules.usdt_won(decisions),
            flags=sorted(verdict.flags),
            processing_ms=round((time.perf_counter() - asked.since) * 1000),
        )
        return _Entry(asked, verdict, inputs, climb, scan, decisions=decisions)

    def _climb(self, verdict: Accepted, inputs: Inputs) -> Climb:
        """The member's tiers after this scan, by the thresholds that hold for its number."""
        member_id = verdict.attempt.member_id
        standing = self.standings[member_id]
        before = self.risen.get(member_id, standing.quarter_tier)
        climb = rules.climb(before, standing.permanent_tier, verdict.quarter_scans, inputs.tier_thresholds)
        if climb.rose:
            self.risen[member_id] = climb.earned
        return climb

    def _decide(self, number: int, tier: Tier, inputs: Inputs) -> list[Decision]:
        hit = rules.hits(inputs.prizes, number)
        if not hit:
            return []
        trips = 0
        if any(rule.type is CompType.TRIP for rule in hit):
            trips = store.trips_before(self.tx, number, self.now) + self.trips_won
        decisions = rules.decide(hit, tier, UnlockState(inputs.tins_per_month, trips))
        self.trips_won += sum(d.awarded and d.rule.type is CompType.TRIP for d in decisions)
        return decisions

    def _finish(self, entry: _Entry) -> ScanReceipt:
        scan, verdict = entry.scan, entry.verdict
        if verdict.flags:
            records.insert_flagged(self.tx, scan, verdict.flags, self.now)
        if entry.climb.rose:
            self._tell_tier(entry)
        won = self._award(entry) if entry.decisions else {}
        standing = self.standings[scan.member_id]
        before = self.won_before.get(scan.member_id, ZERO)
        self.won_before[scan.member_id] = before + scan.usdt_earned
        purse = Purse(standing.lifetime_comps + before, standing.comps_paid, standing.gold_chips)
        shown = Shown(verdict.code.product_name, self.settings.tier_multipliers, entry.inputs.tier_thresholds)
        return receipt(entry.asked.caller, scan, shown, entry.decisions, won, purse=purse)

    def _award(self, entry: _Entry) -> dict[CompType, UUID]:
        """Award what was won and record every milestone; returns the comps' ids by type."""
        scan = entry.scan
        won: dict[CompType, UUID] = {}
        for decision in entry.decisions:
            rule = decision.rule
            if decision.awarded:
                given = Award(
                    member_id=scan.member_id,
                    type=rule.type,
                    amount=rule.amount,
                    source_kind="milestone",
                    source_id=f"{scan.number}:{rule.type}",
                    reason={
                        "interval": rule.interval,
                        "tier": scan.tier.value,
                        "tier_needed": rule.tier.value,
                        "tins_per_month": entry.inputs.tins_per_month,
                        "unlock_volume": rule.unlock_volume,
                        "unlocked_by_admin": rule.unlocked_by_admin,
                        "flags": scan.flags,
                        "inputs_revision": entry.inputs.revision,
                        "match_percent": entry.inputs.match_percent,
                    },
                    scan=ScanReference(scan.id, scan.scanned_at, scan.number),
                    needs_review=bool(scan.flags),
                    match_percent=entry.inputs.match_percent,
                )
                comp_id = awards.award(self.tx, given, scan.scanned_at)
                assert comp_id, "a scan number is taken once"
                won[rule.type] = comp_id
            records.insert_milestone(self.tx, scan, decision, entry.inputs.tins_per_month, won.get(rule.type))
        return won

    def _tell_tier(self, entry: _Entry) -> None:
        """Record a risen tier; notify the member if the effective tier has risen."""
        scan, climb = entry.scan, entry.climb
        change = TierChange(
            scan.member_id,
            "earned",
            climb.earned,
            self.now,
            quarter=self.quarter,
            expires_at=tiers.quarter_ends_at(self.quarter),
            scan_count=scan.quarter_scans,
        )
        tier_history.record(self.tx, change)
        if climb.effective_rose:
            data = {"tier": scan.tier.value, "quarter": self.quarter}
            key = f"tier:{self.quarter}:{scan.tier}"
            note = notifications.note(scan.member_id, "tier_earned", data, key, tier=scan.tier)
            notifications.notify(self.tx, note, self.now)
