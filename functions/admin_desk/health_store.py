"""Rows by which health is judged: the oldest thing of each kind that should go on by itself, and runs of schedules."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.db import Tx

SYNCED_WITHIN = timedelta(hours=7)  # teller_sync asks each bank every six hours


@dataclass(frozen=True)
class Oldest:
    """Since when the oldest thing of each kind waits; None if nothing does. `job_faults` are those of a day."""

    outbox: datetime | None
    payouts: datetime | None
    mails: datetime | None
    payments: datetime | None
    age_checks: datetime | None
    tax_reports: datetime | None
    fulfilments: datetime | None
    banks: datetime | None
    support: datetime | None
    job_faults: int


@dataclass(frozen=True)
class Run:
    """When a schedule has ended last, when it has failed last, and how long its last good run took."""

    job: str
    schedule: str
    ended_at: datetime | None
    milliseconds: int | None
    failed_at: datetime | None


@dataclass(frozen=True)
class Treasury:
    """A treasury, and why it is paused if it is."""

    name: str
    paused_at: datetime | None
    pause_reason: str | None


def oldest(tx: Tx, now: datetime) -> Oldest:
    """The oldest things that should go on by themselves, each by an index of what is open."""
    return tx.one(
        Oldest,
        """
        SELECT (SELECT min(created_at) FROM outbox WHERE published_at IS NULL AND created_at <= :now) AS outbox,
               (SELECT min(requested_at) FROM payouts
                WHERE payout_is_unfinished(state) AND NOT payout_is_stopped(state)) AS payouts,
               (SELECT min(queued_at) FROM mails WHERE status = 'queued') AS mails,
               (SELECT min(look_at) FROM payment_operations WHERE look_at <= :now) AS payments,
               (SELECT min(recorded_at) FROM age_checks WHERE status = 'pending') AS age_checks,
               (SELECT min(recorded_at) FROM tax_reports WHERE status <> 'done') AS tax_reports,
               (SELECT min(look_at) FROM fulfilments WHERE look_at <= :now) AS fulfilments,
               (SELECT min(coalesce(last_synced_at, connected_at)) FROM teller_enrollments
                WHERE state = 'active' AND coalesce(last_synced_at, connected_at) <= :synced) AS banks,
               (SELECT min(waits_since) FROM support_contacts
                WHERE waits_since <= :now
                  AND EXISTS (SELECT FROM integration_states WHERE service = 'intercom' AND is_configured)) AS support,
               (SELECT count(*) FROM job_faults WHERE happened_at > :yesterday) AS job_faults
        """,
        now=now,
        yesterday=now - timedelta(days=1),
        synced=now - SYNCED_WITHIN,
    )


def runs(tx: Tx) -> list[Run]:
    """The schedules that have run at least once."""
    return tx.all(Run, "SELECT job, schedule, ended_at, milliseconds, failed_at FROM job_runs ORDER BY job, schedule")


def treasuries(tx: Tx) -> list[Treasury]:
    """All treasuries by name."""
    return tx.all(Treasury, "SELECT name, paused_at, pause_reason FROM treasuries ORDER BY name")
