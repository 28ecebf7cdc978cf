"""Judges the health of the platform by what waits, and a schedule's last end by its crontab. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cronsim import CronSim

GRACE = timedelta(minutes=15)  # a run may take so long, or come so late, before its schedule counts as late


class Health(StrEnum):
    """How well something is, best first."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class IntegrationStatus(StrEnum):
    """How well a service of others answers; `unused` if it was never seen."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNUSED = "unused"


class Punctuality(StrEnum):
    """Whether a schedule has ended since it was due last. `failed`: its last run did not end well."""

    OK = "ok"
    LATE = "late"
    FAILED = "failed"
    NEVER = "never"


@dataclass(frozen=True)
class Bound:
    """From which age on something that should go on by itself is degraded, and down; and what people do then."""

    degraded: timedelta
    down: timedelta
    remedy: str


BOUNDS = {
    "outbox": Bound(
        timedelta(minutes=2),
        timedelta(minutes=15),
        "docs/cloud.md, Dead letters: does outbox_relay/sweep run, and does Pub/Sub take messages?",
    ),
    "payouts": Bound(
        timedelta(hours=1),
        timedelta(hours=6),
        "make payouts ARGS=stuck says where each is and why (docs/payouts.md).",
    ),
    "mails": Bound(
        timedelta(minutes=30),
        timedelta(hours=6),
        "Does email_send/sweep run, and does Brevo take mails? Nothing is lost; they wait.",
    ),
    "payments": Bound(
        timedelta(hours=2),
        timedelta(hours=24),
        "docs/shop.md: payments that nobody has looked at in time. Does payment_watch/sweep run?",
    ),
    "age_checks": Bound(
        timedelta(hours=2),
        timedelta(hours=24),
        "docs/shop.md: what AgeChecker has not decided. Does order_advance/sweep run?",
    ),
    "tax_reports": Bound(
        timedelta(hours=6),
        timedelta(hours=72),
        "docs/shop.md: what Kintsugi has not taken. Does tax_report/sweep run?",
    ),
    "fulfilments": Bound(
        timedelta(hours=2),
        timedelta(hours=24),
        "docs/shop.md: what the warehouse was asked and has not said. Does order_fulfil/sweep run?",
    ),
    "banks": Bound(
        timedelta(hours=7),
        timedelta(hours=48),
        "docs/treasury.md, Accounts at banks: last_error of the bank says why. Old balances stay, with their age.",
    ),
    "support": Bound(
        timedelta(hours=1),
        timedelta(hours=24),
        "docs/support.md: what Intercom was not told yet. Does support_sync/sweep run, and is the token still good?",
    ),
}


def of_age(bound: Bound, since: datetime | None, now: datetime) -> Health:
    """How well something is whose oldest thing waits since then."""
    age = now - since if since else timedelta(0)
    if age >= bound.down:
        return Health.DOWN
    return Health.DEGRADED if age >= bound.degraded else Health.OK


def of_service(bound: Bound, since: datetime | None, now: datetime, *, was_seen: bool) -> IntegrationStatus:
    """How well a service answers for which the oldest thing waits since then."""
    status = IntegrationStatus(of_age(bound, since, now))
    return IntegrationStatus.UNUSED if status is IntegrationStatus.OK and not was_seen else status


def of_last_request(answered_at: datetime | None, failed_at: datetime | None) -> IntegrationStatus:
    """How well a service answers for which nothing waits, by the last request to it."""
    if failed_at is not None and (answered_at is None or failed_at > answered_at):
        return IntegrationStatus.DEGRADED
    return IntegrationStatus.OK if answered_at is not None else IntegrationStatus.UNUSED


def worst(parts: Iterable[Health]) -> Health:
    """The worst of them; ok for none."""
    order = list(Health)
    return max(parts, key=order.index, default=Health.OK)


def due_before(cron: str, now: datetime) -> datetime:
    """The last moment before now at which a schedule of this crontab (UTC) was due."""
    return next(CronSim(cron, now, reverse=True))


def punctuality(cron: str, ended_at: datetime | None, failed_at: datetime | None, now: datetime) -> Punctuality:
    """Whether a schedule has ended since it was due last. A run has GRACE to end."""
    if failed_at is not None and (ended_at is None or failed_at > ended_at):
        return Punctuality.FAILED
    due = due_before(cron, now - GRACE)
    if ended_at is None:
        return Punctuality.NEVER
    return Punctuality.OK if ended_at >= due else Punctuality.LATE
