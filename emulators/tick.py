"""`make tick`: fire a job of the running stack now, or at another time of its clock.

`make tick JOB=payout_confirm` calls the job's schedule; `AT=2026-11-29T00:00Z` moves the clock of all functions first.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from emulators import contract, scheduler
from emulators.cloud import INVOKER_ACCOUNT
from emulators.identity import minted
from emulators.run import STATE
from emulators.stack import Options
from shared.config import service_name

HTTP_DONE = 204


def main() -> None:
    """Exit 0 when the job is done, 1 when it failed, 2 when there is nothing to fire."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", help="a function with a schedule")
    parser.add_argument("--at", type=_moment, help="the time that it is then, for everybody")
    asked = parser.parse_args()
    function = contract.functions().get(asked.job)
    names = [*(schedule.name for schedule in function.schedules), *function.on_deploy] if function else []
    if not names:
        known = sorted(name for name, other in contract.functions().items() if other.schedules or other.on_deploy)
        print(f"{asked.job} has no schedule; these have: {', '.join(known)}", file=sys.stderr)
        sys.exit(2)
    stack = _running()
    if asked.at:
        Path(stack["clock"]).write_text(str((asked.at - datetime.now(UTC)).total_seconds()))
        print(f"it is {asked.at:%Y-%m-%d %H:%M:%S} UTC now, for all functions")
    url = stack["router"] + service_name(asked.job)
    answers = [
        scheduler.call(url, name, minted(stack["identity"], stack["secret"], INVOKER_ACCOUNT, url)) for name in names
    ]
    for name, status in zip(names, answers, strict=True):
        print(f"{asked.job} {name}: {'done' if status == HTTP_DONE else f'failed with {status}'}")
    sys.exit(0 if set(answers) == {HTTP_DONE} else 1)


def _running() -> dict[str, str]:
    path = Options.from_environment().folder / STATE
    try:
        found: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        print("no stack is running here: make run", file=sys.stderr)
        sys.exit(2)
    return found


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
