"""The operation that says how well the platform is, part by part, and what people do about what is not well."""

from collections.abc import Mapping
from datetime import datetime

from functions.admin_desk import health_store, rules
from functions.admin_desk.common import Operations, api
from functions.admin_desk.health_store import Oldest, Run, Treasury
from functions.admin_desk.rules import BOUNDS, Health, Punctuality
from functions.admin_desk.schedules import CRONTABS
from shared.db import Tx
from shared.figures import kept
from shared.figures.names import Name
from shared.values.fields import Reply

NOT_PUNCTUAL = "Call it by hand (docs/cloud.md), and read its log: `job=%s`."
PAUSED = "docs/payouts.md: the reason says why. Nothing is signed until people resume the treasury."
FAULTS = "The table job_faults says what could not be handled, and why (docs/cloud.md, Dead letters)."
CHAIN = "Do the nodes answer (docs/cloud.md, Nodes)? treasury_snapshot waits until they agree."


class HealthPart(Reply):
    """A part of the platform. `since` is since when its oldest thing waits, or since when it is so; `remedy` is what
    people do, if it is not well.
    """

    name: str
    status: Health
    since: datetime | None
    detail: str
    remedy: str | None
    as_of: datetime


class ScheduleHealth(Reply):
    """A schedule of a job: its crontab (UTC), when it was due last, when it has ended and failed last, and how long the
    last good run took.
    """

    job: str
    schedule: str
    cron: str
    status: Punctuality
    due_at: datetime
    ended_at: datetime | None
    failed_at: datetime | None
    milliseconds: int | None
    remedy: str | None


class AdminHealth(Reply):
    """The health of the platform: as bad as its worst part. A schedule that is not punctual makes it degraded."""

    status: Health
    as_of: datetime
    parts: list[HealthPart]
    schedules: list[ScheduleHealth]


@api.get("/v1/admin/health")
def get_health(tx: Tx, admin: Operations, now: datetime) -> AdminHealth:
    """Say how well each part of the platform is, and each schedule of its jobs."""
    oldest = health_store.oldest(tx, now)
    parts = [
        HealthPart(name="database", status=Health.OK, since=None, detail="It answers.", remedy=None, as_of=now),
        *_waiting(oldest, now),
        _faults(oldest.job_faults, now),
        _chain(tx, now),
        *(_treasury(treasury, now) for treasury in health_store.treasuries(tx)),
    ]
    schedules = _schedules(health_store.runs(tx), now)
    late = [Health.DEGRADED for schedule in schedules if schedule.status is not Punctuality.OK]
    status = rules.worst([*(part.status for part in parts), *late])
    return AdminHealth(status=status, as_of=now, parts=parts, schedules=schedules)


def _waiting(oldest: Oldest, now: datetime) -> list[HealthPart]:
    """A part for each kind of thing that should go on by itself."""
    found: Mapping[str, datetime | None] = {name: getattr(oldest, name) for name in BOUNDS}
    return [_of_age(name, since, now) for name, since in found.items()]


def _of_age(name: str, since: datetime | None, now: datetime) -> HealthPart:
    status = rules.of_age(BOUNDS[name], since, now)
    detail = f"The oldest waits for {int((now - since).total_seconds())} seconds." if since else "Nothing waits."
    remedy = None if status is Health.OK else BOUNDS[name].remedy
    return HealthPart(name=name, status=status, since=since, detail=detail, remedy=remedy, as_of=now)


def _faults(number: int, now: datetime) -> HealthPart:
    status = Health.DEGRADED if number else Health.OK
    detail = f"{number} deliveries of the last day could not be handled."
    remedy = FAULTS if number else None
    return HealthPart(name="job_faults", status=status, since=None, detail=detail, remedy=remedy, as_of=now)


def _chain(tx: Tx, now: datetime) -> HealthPart:
    """The chain, as the job has seen it that reads the treasuries' balances when all nodes agree."""
    found = kept.find(tx, [Name.ON_CHAIN_BALANCES]).get(Name.ON_CHAIN_BALANCES)
    is_well = found is not None and not found.is_stale(now)
    return HealthPart(
        name="chain",
        status=Health.OK if is_well else Health.DEGRADED,
        since=found.as_of if found else None,
        detail="The balances of the treasuries were read." if found else "No balance has been read yet.",
        remedy=None if is_well else CHAIN,
        as_of=found.as_of if found else now,
    )


def _treasury(treasury: Treasury, now: datetime) -> HealthPart:
    is_paused = treasury.paused_at is not None
    return HealthPart(
        name=f"treasury_{treasury.name}",
        status=Health.DEGRADED if is_paused else Health.OK,
        since=treasury.paused_at,
        detail=f"It is paused: {treasury.pause_reason}" if is_paused else "It pays.",
        remedy=PAUSED if is_paused else None,
        as_of=now,
    )


def _schedules(runs: list[Run], now: datetime) -> list[ScheduleHealth]:
    """Every schedule of the jobs, whether it has ever run or not."""
    seen = {f"{run.job}/{run.schedule}": run for run in runs}
    return [_schedule(name, cron, seen.get(name), now) for name, cron in CRONTABS.items()]


def _schedule(name: str, cron: str, run: Run | None, now: datetime) -> ScheduleHealth:
    job, _, schedule = name.partition("/")
    ended_at, failed_at = (run.ended_at, run.failed_at) if run else (None, None)
    status = rules.punctuality(cron, ended_at, failed_at, now)
    return ScheduleHealth(
        job=job,
        schedule=schedule,
        cron=cron,
        status=status,
        due_at=rules.due_before(cron, now),
        ended_at=ended_at,
        failed_at=failed_at,
        milliseconds=run.milliseconds if run else None,
        remedy=None if status is Punctuality.OK else NOT_PUNCTUAL % job,
    )
