"""HTTP: a week as its affiliates may see it, with how each share was worked out (docs/affiliates.md, "Referrals")."""

from contextlib import suppress
from datetime import date
from typing import Literal

from functions.affiliate import rules, weeks_store
from functions.affiliate.common import api
from functions.affiliate.weeks_store import Line, Outcome, Week
from shared.affiliates.program import AffiliateProgramClosed, require_affiliate
from shared.auth import Member
from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.problems import NotFound

FORMULA = (
    "pool × chips ÷ all chips, rounded down to 0.000001 USDT; of what is left, 0.000001 each goes to the largest"
    " remainders, and of equal ones to the lowest marks"
)


class WeekShare(Reply):
    """The caller's line of the week. Of the chips by scans, those brought (from the vault, or given) less those put
    away, `chips` counted, and `overflow` went to the vault.
    """

    mark: str
    scan_chips: int
    brought: int
    put_away: int
    chips: int
    overflow: int
    share: Money
    formula: str


class WeekStatement(Reply):
    """A week, which ended on the Sunday `week_on` at 00:00 UTC. Nothing else is shown while it is `being_counted`: what
    was counted may still be corrected until people have approved it. A week with no pool or no chips shares nothing;
    the pool, or the chips, go on to the next one. `digest` is the SHA-256 of the published list of shares. `line` is
    null for a caller without chips in it.
    """

    week_on: date
    state: Literal["being_counted", "approved", "completed"]
    outcome: Outcome | None
    first_number: int | None
    last_number: int | None
    pool: Money | None
    chips: int | None
    affiliates: int | None
    digest: str | None
    formula: str
    line: WeekShare | None


@api.get("/v1/affiliate/weeks/{week_on}", problems=(AffiliateProgramClosed,))
def get_week_statement(tx: Tx, member: Member, week_on: str) -> WeekStatement:
    """Return a week by the Sunday on which it ended."""
    require_affiliate(tx, member.id)
    found = weeks_store.find(tx, day(week_on))
    if found is None:
        raise NotFound
    if not (found.is_approved or found.is_completed):
        return WeekStatement(
            week_on=found.week_on,
            state="being_counted",
            outcome=None,
            first_number=None,
            last_number=None,
            pool=None,
            chips=None,
            affiliates=None,
            digest=None,
            formula=FORMULA,
            line=None,
        )
    return WeekStatement(
        week_on=found.week_on,
        state="completed" if found.is_completed else "approved",
        outcome=found.outcome,
        first_number=found.first_number,
        last_number=found.last_number,
        pool=found.pool,
        chips=found.chips,
        affiliates=found.affiliates,
        digest=found.digest,
        formula=FORMULA,
        line=_shown(found, weeks_store.line(tx, member.id, found.week_on)),
    )


def day(text: str) -> date:
    """The day that a path names, YYYY-MM-DD. Raises NotFound for anything else."""
    with suppress(ValueError):
        found = date.fromisoformat(text)
        if found.isoformat() == text:
            return found
    raise NotFound


def _shown(week: Week, line: Line | None) -> WeekShare | None:
    if line is None or week.chips is None:
        return None
    return WeekShare(**vars(line), formula=rules.share_formula(week.pool, line.chips, week.chips))
