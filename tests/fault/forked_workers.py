"""A process that forks a worker for each delivery, and kills or stops it at a given point.

`python -m tests.fault.forked_workers` reads one JSON object per line: {"environment", "function", "headers", "body",
"point"} starts a child, {"wait": pid} goes on watching one that has stopped. Each line is answered by one: {"pid",
"ended"}: the class of the answer's HTTP status (2, 4, 5), minus the signal that killed it, or 0 while it has only
stopped. Children are forked, so that a test does not wait for the imports of web3 each time; this process itself never
connects to anything.
"""

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

STATUS_CLASS = 100  # exit codes end at 255, so 204 is reported as 2
NO_ANSWER = 9
STATEMENTS_MAX = 60  # of a delivery that dies before one of them


def before(owner: object, name: str, signal_number: int = signal.SIGKILL) -> Callable[[], None]:
    """A point at which the process gets the signal when the function is called."""

    def install() -> None:
        original = getattr(owner, name)

        @wraps(original)
        def dying(*arguments: Any, **named: Any) -> Any:
            os.kill(os.getpid(), signal_number)
            return original(*arguments, **named)

        setattr(owner, name, dying)

    return install


def after(owner: object, name: str) -> Callable[[], None]:
    """A point at which the process dies right after the function has done its work."""

    def install() -> None:
        original = getattr(owner, name)

        @wraps(original)
        def dying(*arguments: Any, **named: Any) -> Any:
            answer = original(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            return answer

        setattr(owner, name, dying)

    return install


def at_call(owner: object, name: str, number: int) -> Callable[[], None]:
    """A point at which the process is killed at the `number`th call of the function."""

    def install() -> None:
        original = getattr(owner, name)
        calls = itertools.count(1)

        @wraps(original)
        def dying(*arguments: Any, **named: Any) -> Any:
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **named)

        setattr(owner, name, dying)

    return install


def points() -> Mapping[str, Callable[[], None]]:
    """The points at which a child can be told to die; their codes are those of docs/rules.md, "Crash points"."""
    from functions.outbox_relay import store as relay
    from functions.scan_rollup import store as rollup
    from functions.tier_rollover import store as rollover
    from shared import events, withdrawals
    from shared.comps import awards
    from shared.database.session import Session
    from shared.payouts import machine, slots
    from shared.ports import kms, mail
    from shared.ports.polygon.chain import Chain

    return {
        "C1 asked for, before the policy": before(Chain, "blocked"),
        "C2 approved, before it is reserved": before(Chain, "token_balance"),
        "C3 reserved, before its nonce": before(machine, "allocate_slot"),
        "C4 nonce taken, before it is signed": before(kms, "sign_ethereum"),
        "C5 signed, before it is stored": after(kms, "sign_ethereum"),
        "C5 stored, before the commit": after(slots, "store_attempt"),
        "C6 stored, before it is sent": before(Chain, "send"),
        "C7 sent, before its event": after(Chain, "send"),
        "C8 receipt read, before MINED": after(Chain, "observe"),
        "C8 MINED, before the commit": after(slots, "mark_mined"),
        "C11 FINAL, before the ledger": after(slots, "close"),
        "C11 PAID, before the comp": before(awards, "mark_paid"),
        "C11 the comp, before the commit": after(awards, "mark_paid"),
        "C12 committed, before the answer": before(events, "publish_soon"),
        "C13 published, before it is marked": before(relay, "mark_published"),
        "mailed, before it is noted": after(mail, "send"),
        "withdrawal kept, before it is sent": before(Chain, "send"),
        "withdrawal sent, before anybody knows": after(Chain, "send"),
        "withdrawal seen, before it is noted": before(withdrawals, "mark_mined"),
        "withdrawal noted, before the commit": after(withdrawals, "mark_mined"),
        "withdrawal ended, before its member is told": after(withdrawals, "finish"),
        "withdrawal committed, before the answer": before(events, "publish_soon"),
        "rolled up, before the commit": after(rollup, "move"),
        "rolling up, between two batches": at_call(rollup, "lock_position", 2),
        "told that a tier ended, before the commit": after(rollover, "mark_closed"),
        "telling that tiers ended, between two batches": at_call(rollover, "lock_open", 2),
        "asleep before it stores": before(slots, "store_attempt", signal.SIGSTOP),
        "asleep before it sends": before(Chain, "send", signal.SIGSTOP),
        **{f"before statement {n}": at_call(Session, "settle", n) for n in range(1, STATEMENTS_MAX + 1)},
        "never": lambda: None,
    }


def preload() -> None:
    """Import what the children would import one after the other."""
    from importlib import import_module

    for name in (
        "web3",
        "eth_account",
        "eth_keys",
        "google.cloud.kms_v1",
        "requests",
        "tests.client",
        "shared.comps.awards",
    ):
        import_module(name)


def deliver(order: Mapping[str, Any]) -> int:
    """Make the delivery, in the child; returns the answer's status if the child lives to see it."""
    from tests.client import app

    os.environ.clear()
    os.environ.update(order["environment"])
    points()[order["point"]]()
    client = app(order["function"]).test_client()
    answer = client.post("/", data=order["body"].encode(), headers=order["headers"])
    return answer.status_code


def fork(order: Mapping[str, Any], log: int) -> int:
    """Start a child that writes to `log`; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    ended = NO_ANSWER
    try:
        ended = deliver(order) // STATUS_CLASS
    finally:
        os._exit(ended)


def watch(pid: int) -> dict[str, int]:
    """Wait until the child ends or stops."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return {"pid": pid, "ended": 0}
    return {"pid": pid, "ended": os.waitstatus_to_exitcode(status)}


def main() -> None:
    """Serve orders until stdin ends."""
    preload()
    log = os.open(Path(sys.argv[1]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for line in sys.stdin:
        order = json.loads(line)
        pid = order.get("wait") or fork(order, log)
        print(json.dumps(watch(pid)), flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main()
