"""`make tick`: fire a job of the running stack now, or at another time of its clock.

`make tick JOB=payout_confirm` calls the job's schedule; `AT=2026-11-29T00:00Z` moves the clock of all functions first.
The clock only goes forward, for what has happened is written down with its time; a fresh `make run` has the real one.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from emulators import contract, running, scheduler
from emulators.cloud import INVOKER_ACCOUNT
from emulators.identity import minted
from shared import clock
from shared.config import service_name

HTTP_DONE = 204
AHEAD_MAX = timedelta(days=3660)


def main() -> None:
    """Fire the job; exits with 0 when it is done, 1 when it failed, 2 when there is nothing to fire."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make tick", usage="make tick JOB=a_job [AT=a_time]")
    parser.add_argument("job", nargs="?", default="", help="a function with a schedule")
    parser.add_argument("--at", help="the time that it is then, for everybody")
    asked = parser.parse_args()
    names = _schedules(asked.job)
    stack = running.found()
    if asked.at is not None:
        moment = _moment(asked.at, Path(stack["clock"]))
        running.private(Path(stack["clock"]), str((moment - datetime.now(UTC)).total_seconds()))
        print(f"it is {moment:%Y-%m-%d %H:%M:%S} UTC now, for all functions")
    url = stack["router"] + service_name(asked.job)
    try:
        token = minted(stack["identity"], stack["secret"], INVOKER_ACCOUNT, url)
    except OSError as error:
        running.refuse(f"the stack here does not answer: {error}")
    answers = {name: scheduler.call(url, name, token) for name in names}
    for name, status in answers.items():
        print(f"{asked.job} {name}: {_said(status)}")
    sys.exit(0 if set(answers.values()) == {HTTP_DONE} else 1)


def _schedules(job: str) -> list[str]:
    """The names of a job's schedules. Exits when it has none."""
    functions = contract.functions()
    known = {name: [*(it.name for it in each.schedules), *each.on_deploy] for name, each in functions.items()}
    if not known.get(job):
        what = f"{job} has no schedule" if job else "say which job: make tick JOB=…"
        running.refuse(f"{what}; these have: {', '.join(sorted(name for name, names in known.items() if names))}")
    return known[job]


def _moment(text: str, clock_file: Path) -> datetime:
    """The moment in a text. Exits when it is no time, or none that the stack's clock can go to."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        running.refuse(f"AT={text} is no time: write it as AT=2026-11-29T00:00Z")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    now = datetime.now(UTC) + clock.offset(clock_file)
    if moment < now:
        running.refuse(f"AT={text} is over: it is {now:%Y-%m-%dT%H:%M:%SZ} here, and the clock only goes forward")
    if moment > now + AHEAD_MAX:
        running.refuse(f"AT={text} is more than {AHEAD_MAX.days} days ahead")
    return moment.astimezone(UTC)


def _said(status: int) -> str:
    if status == HTTP_DONE:
        return "done"
    return f"failed with {status}" if status else "no answer came; see the log of the functions"


if __name__ == "__main__":
    main()
