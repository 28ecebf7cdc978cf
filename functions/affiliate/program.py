"""HTTP: the terms of the affiliate program, and how near its end is (docs/affiliates.md, "Sunset")."""

from datetime import date, datetime

from functions.affiliate.common import api
from shared import settings
from shared.affiliates import program
from shared.auth import Member
from shared.comps import award_inputs
from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.programs import POOL_PERCENT, STEPS, ProgramState
from shared.values.weeks import next_sunday


class AffiliateProgram(Reply):
    """The program. It closes when `closing_volume` tins a month are reached on `closing_days` UTC days in a row;
    `step` says how many twentieths of it were reached at the last look. `match_percent` is of the comps that referred
    members win, `pool_percent` of the gross profit. At most `chips_max` chips of an affiliate count in a week, null
    once the program has closed; less than `payout_min` USDT waits. `is_affiliate` is about the caller.
    """

    state: ProgramState
    is_affiliate: bool
    volume: int
    volume_as_of: datetime
    closing_volume: int
    closing_days: int
    step: int
    steps: int
    sunset_at: datetime | None
    match_percent: int
    pool_percent: int
    chips_max: int | None
    payout_min: Money
    next_week_on: date


@api.get("/v1/affiliate/program")
def get_affiliate_program(tx: Tx, member: Member, now: datetime) -> AffiliateProgram:
    """Return the terms of the program, also to members who are no affiliates."""
    found, configured = program.find(tx), settings.load(tx).affiliates
    volume = program.volume(tx)
    return AffiliateProgram(
        state=found.state,
        is_affiliate=program.is_affiliate(tx, member.id),
        volume=volume.tins_per_month,
        volume_as_of=volume.as_of,
        closing_volume=configured.sunset_volume,
        closing_days=configured.sunset_days,
        step=found.step,
        steps=STEPS,
        sunset_at=found.sunset_at,
        match_percent=award_inputs.in_force(tx).match_percent,
        pool_percent=POOL_PERCENT,
        chips_max=configured.chips_max if found.state is ProgramState.OPEN else None,
        payout_min=configured.payout_min,
        next_week_on=next_sunday(now),
    )
