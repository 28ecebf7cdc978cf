"""Whatever happens to a week of affiliates, it divides its pool to the micro-USDT and pays each part once.

`make week-faults SCHEDULES=500 SEED=1` plays others.
"""

import os

import pytest
from pg8000.dbapi import Connection

from functions.affiliate_week import payout_store, proposal_store
from shared import clock, settings
from shared.values.money import Usdt
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import PayoutRows
from tests.fault import weeks

pytest_plugins = ["tests.fakes.payout_plugin"]

PORTION = 2  # fewer than there are affiliates, so that runs die between portions too
FIRST = int(os.environ.get("WEEK_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("WEEK_SCHEDULES", "12")))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_week_pays_each_part_once(
    seed: int, sql: Connection, payout_driver: PayoutDriver, rows: PayoutRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for treasury in ("affiliate", "member"):
        payout_driver.chain.mint(rows.signer(treasury), Usdt.of(1_000_000).micro)
    settings.forget()
    for store in (proposal_store, payout_store):
        monkeypatch.setattr(store, "PORTION", PORTION)
    schedule = weeks.schedule_of(seed, sql, payout_driver)
    monkeypatch.setattr(clock, "now", schedule.now)
    assert weeks.play(schedule) == []
    assert schedule.done["run"] > 0
