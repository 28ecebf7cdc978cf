"""The effect of a change of a prize's rule: whether the prize can be won, and how often at the present pace."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from functions.admin_comps import store
from functions.admin_comps.rules import Terms
from functions.admin_comps.store import CompRule
from shared.comps import award_inputs, trip_places
from shared.db import Tx
from shared.values.fields import Reply
from shared.values.prizes import CompType, volume_needed

PACE = timedelta(days=30)  # whole days before today, whose scans are not all there


class CompRuleEffect(Reply):
    """Whether the prize can be won at the present volume of sales, and how many scans of a month may win it at the pace
    of the 30 days before today, by the terms that rule the next scan as things stand and by those of the change. The
    second is null for the guarantee, which no scan wins.
    """

    was_open: bool
    is_open: bool
    comps_per_month_before: int | None
    comps_per_month: int | None


class ChangedCompRule(CompRule):
    """The rule as the change makes it, and what that does."""

    effect: CompRuleEffect


def in_force(tx: Tx, kind: CompType, written: Terms) -> Terms:
    """The terms that rule the next scan: those that are written, unless a change for the worse is still to come."""
    if written.interval is None:
        return written
    rule = next((prize for prize in award_inputs.in_force(tx).prizes if prize.type is kind), None)
    if rule is None:
        return replace(written, enabled=False)
    return replace(
        written,
        interval=rule.interval,
        tier=rule.tier,
        amount=rule.amount,
        unlock_volume=rule.unlock_volume,
        enabled=True,
        unlocked_by_admin=rule.unlocked_by_admin,
    )


def of_change(tx: Tx, kind: CompType, before: Terms, after: Terms, now: datetime) -> CompRuleEffect:
    """Compare the terms by today's sales and the scans of the 30 days before today."""
    tins, trips = award_inputs.in_force(tx).tins_per_month, trip_places.this_month(tx, now)
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    scans = store.scans_between(tx, today - PACE, today)
    was_open, is_open = (_is_open(kind, terms, tins, trips) for terms in (before, after))
    return CompRuleEffect(
        was_open=was_open,
        is_open=is_open,
        comps_per_month_before=_comps(before, scans, is_open=was_open),
        comps_per_month=_comps(after, scans, is_open=is_open),
    )


def _is_open(kind: CompType, terms: Terms, tins_per_month: int, trips_this_month: int) -> bool:
    needed = volume_needed(kind, terms.unlock_volume, trips_this_month)
    return terms.enabled and (terms.unlocked_by_admin or tins_per_month >= needed)


def _comps(terms: Terms, scans: int, *, is_open: bool) -> int | None:
    if terms.interval is None:
        return None
    return scans // terms.interval if is_open else 0
