"""While the test clock is advanced, a job that repeats its work for a minute does it once: the next step waits."""

import time
from pathlib import Path

import pytest

from shared import clock
from shared.auth import Role
from tests import factories
from tests.fakes import vote_rows
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin"]

REPEATING = ("feed_project/counter", "feed_project/votes", "figure_rollup/figures", "scan_rollup/roll-up")
ONE_ROUND_SECONDS_MAX = 15.0  # each repeats for more than 50 seconds otherwise


@pytest.mark.usefixtures("listeners")
@pytest.mark.parametrize("job", REPEATING)
def test_a_job_that_repeats_its_work_ends_after_one_round(
    job: str, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.member()
    vote_rows.opened(factories.member(role=Role.OPERATIONS), clock.now(), 0)
    (tmp_path / "clock").write_text(f"86400.0 {clock.ADVANCING}")
    monkeypatch.setenv(clock.CLOCK_FILE, str(tmp_path / "clock"))
    began = time.monotonic()

    assert FunctionInvoker(platform.invoker_token).schedule(*job.split("/")) == 204

    assert time.monotonic() - began < ONE_ROUND_SECONDS_MAX


def test_the_clock_is_advancing_only_while_the_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clock"
    monkeypatch.delenv(clock.CLOCK_FILE, raising=False)
    assert not clock.is_advancing()
    monkeypatch.setenv(clock.CLOCK_FILE, str(file))
    for text, days, advancing in (("", 0, False), ("86400.0", 1, False), (f"172800.5 {clock.ADVANCING}", 2, True)):
        file.write_text(text)
        assert (clock.offset(file).days, clock.is_advancing()) == (days, advancing)
    file.unlink()
    assert (clock.offset(file).days, clock.is_advancing()) == (0, False)
