"""`make advance TO=2027-03-31T00:00:00Z`: play everything that is due until then on the running stack.

The stack goes from one due moment to the next (emulators/advancing.py), and this command asks it for a portion at a
time until it is there. Interrupted anywhere, it continues where the clock stands when it is called again.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from emulators import running
from emulators.client import Client
from emulators.clock_server import PATH, ClockIsAdvancing

FAILED = 1
BUSY = f"/problems/{ClockIsAdvancing.slug()}"
TRIES_MAX = 3  # requests one after another in which something did not end
BUSY_TRIES_MAX = 90  # a portion that another command has asked for ends by itself
BUSY_SECONDS = 1.0


def main() -> None:
    """Advance the clock; exits with 0 when it is there, 1 when a call failed, 2 when the stack refuses or none runs."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make advance", usage="make advance TO=a_time")
    parser.add_argument("to", nargs="?", default="", help="the time that it shall be, as 2027-03-31T00:00:00Z")
    to = parser.parse_args().to
    stack = running.found()
    if not to:
        running.refuse("say until when: make advance TO=2027-03-31T00:00:00Z")
    began = time.monotonic()
    steps, calls, failures = _advance(Client(stack["gateway"]), to)
    for failure in failures:
        print(f"{failure['at']}  {failure['function']} {failure['schedule']}: {_said(failure['status'])}")
    print(f"there, after {steps} steps with {calls} calls in {time.monotonic() - began:.0f} s")
    sys.exit(FAILED if failures else 0)


def _advance(client: Client, to: str) -> tuple[int, int, list[Mapping[str, Any]]]:
    """Ask until the clock is there; returns the numbers of steps and calls, and the calls that failed."""
    steps, calls, failures = 0, 0, list[Mapping[str, Any]]()
    while True:
        made = _portion(client, to)
        steps, calls, failures = steps + made["steps"], calls + made["calls"], failures + made["failures"]
        print(f"it is {made['now'][:19].replace('T', ' ')} UTC now", flush=True)
        if made["is_there"]:
            return steps, calls, failures


def _portion(client: Client, to: str) -> Mapping[str, Any]:
    """The progress that a request has made. Exits when the stack refuses it, or does not answer."""
    late, busy, why = 0, 0, "the stack here is busy with another advance"
    while late <= TRIES_MAX and busy <= BUSY_TRIES_MAX:
        try:
            answer = client.post(PATH, {"to": to})
        except TimeoutError:  # a job takes long: the portion ends by itself, and the stack is busy until then
            client.close()
            busy += 1
            continue
        except OSError as error:
            running.refuse(f"the stack here does not answer: {error}")
        if answer.status == HTTPStatus.OK:
            made: Mapping[str, Any] = answer.body
            return made
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            late, why = late + 1, _why(answer.body)
        elif isinstance(answer.body, Mapping) and answer.body.get("type") == BUSY:
            busy += 1
        else:
            running.refuse(_why(answer.body))
        time.sleep(BUSY_SECONDS)
    return running.refuse(why)


def _why(problem: object) -> str:
    """The refusal in one line."""
    if not isinstance(problem, Mapping):
        return f"the stack answers {problem!r}"
    faults = [f"{fault['field'].lstrip('/')} {fault['message']}" for fault in problem.get("errors", [])]
    return " ".join([str(problem.get("title", problem)), str(problem.get("detail", "")), "; ".join(faults)]).strip()


def _said(status: int) -> str:
    return f"failed with {status}" if status else "no answer came; see the log of the functions"


if __name__ == "__main__":
    main()
