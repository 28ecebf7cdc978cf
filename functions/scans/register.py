"""Accepted scans become facts: numbers, prizes, chips, tiers, and what their members are told."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from functions.scans import records, rules, store
from functions.scans.judge import Accepted
from functions.scans.receipts import Purse, ScanReceipt, receipt
from functions.scans.records import Scan
from functions.scans.rules import Decision, UnlockState
from functions.scans.store import Numbered, Standing
from shared import comps, notifications, tier_history, tiers
from shared.auth import Member
from shared.comps import Award, ScanReference
from shared.db import Tx
from shared.money import ZERO, Usdt
from shared.notifications import Note
from shared.prizes import CompType
from shared.settings import Settings
from shared.signatures import Asked
from shared.tier_history import Change


@dataclass(frozen=True)
class _Entry:
    """A scan with its number and what that decides."""

    asked: Asked[Member, Any]
    verdict: Accepted
    scan: Scan
    decisions: Sequence[Decision]


@dataclass
class Round:
    """The scans of one transaction. From `take_numbers` on everybody else waits: nothing slow happens after it."""

    tx: Tx
    settings: Settings
    quarter: str
    now: datetime
    standings: Mapping[UUID, Standing]
    won_before: dict[UUID, Usdt] = field(default_factory=dict)
    trips_won: int = 0

    def register(self, accepted: Sequence[tuple[Asked[Member, Any], Accepted]]) -> list[ScanReceipt]:
        """Give them their numbers, in order, and all that follows from these."""
        numbered = store.take_numbers(self.tx, len(accepted))
        first = numbered.last - len(accepted) + 1
        entries = [
            self._entry(asked, verdict, number, numbered) for number, (asked, verdict) in enumerate(accepted, first)
        ]
        records.insert_scans(self.tx, [entry.scan for entry in entries])
        referred = {
            entry.scan.number: affiliate
            for entry in entries
            if (affiliate := self.standings[entry.scan.member_id].referred_by_id)
        }
        if referred:
            records.insert_chips(self.tx, referred, self.now)
        return [self._finish(entry, numbered) for entry in entries]

    def _entry(self, asked: Asked[Member, Any], verdict: Accepted, number: int, numbered: Numbered) -> _Entry:
        hit = rules.hits(numbered.prizes, number)
        decisions: list[Decision] = []
        if hit:
            trips = self._trips_before + self.trips_won if any(rule.type is CompType.TRIP for rule in hit) else 0
            decisions = rules.decide(hit, verdict.tier, UnlockState(numbered.tins_per_month, trips))
            self.trips_won += sum(d.awarded and d.rule.type is CompType.TRIP for d in decisions)
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
            tier=verdict.tier,
            quarter=self.quarter,
            quarter_scans=verdict.quarter_scans,
            usdt_earned=rules.usdt_won(decisions),
            flags=sorted(verdict.flags),
            processing_ms=round((time.perf_counter() - asked.since) * 1000),
        )
        return _Entry(asked, verdict, scan, decisions)

    @cached_property
    def _trips_before(self) -> int:
        return store.trips_this_month(self.tx, self.now)

    def _finish(self, entry: _Entry, numbered: Numbered) -> ScanReceipt:
        scan, verdict = entry.scan, entry.verdict
        if verdict.flags:
            records.insert_flagged(self.tx, scan, verdict.flags, self.now)
        if verdict.rose:
            self._tell_tier(entry)
        won = self._award(entry, numbered) if entry.decisions else {}
        standing = self.standings[scan.member_id]
        before = self.won_before.get(scan.member_id, ZERO)
        self.won_before[scan.member_id] = before + scan.usdt_earned
        purse = Purse(standing.lifetime_comps + before, standing.comps_paid, standing.gold_chips)
        return receipt(entry.asked.caller, scan, verdict.code.product_name, self.settings, entry.decisions, won, purse)

    def _award(self, entry: _Entry, numbered: Numbered) -> dict[CompType, UUID]:
        """Give what was won and record every milestone; the comps' ids by type."""
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
                        "tins_per_month": numbered.tins_per_month,
                        "unlock_volume": rule.unlock_volume,
                        "unlocked_by_admin": rule.unlocked_by_admin,
                        "flags": scan.flags,
                    },
                    scan=ScanReference(scan.id, scan.scanned_at, scan.number),
                    needs_review=bool(scan.flags),
                )
                comp_id = comps.award(self.tx, given, scan.scanned_at)
                assert comp_id, "a scan number is taken once"
                won[rule.type] = comp_id
            records.insert_milestone(self.tx, scan, decision, numbered.tins_per_month, won.get(rule.type))
        return won

    def _tell_tier(self, entry: _Entry) -> None:
        """A risen tier is recorded, and told when it makes a difference."""
        scan, verdict = entry.scan, entry.verdict
        change = Change(
            scan.member_id,
            "earned",
            verdict.earned,
            self.now,
            quarter=self.quarter,
            expires_at=tiers.quarter_ends_at(self.quarter),
            scan_count=scan.quarter_scans,
        )
        tier_history.record(self.tx, change)
        if verdict.effective_rose:
            title = f"You are {scan.tier.label} now"
            data = {"tier": scan.tier.value, "quarter": self.quarter}
            key = f"tier:{self.quarter}:{scan.tier}"
            note = Note(scan.member_id, "system", title, "Enjoy it until the quarter ends.", data, key)
            notifications.notify(self.tx, note, self.now)
