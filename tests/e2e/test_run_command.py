"""`make run` as a person uses it: it comes up, says what it has, obeys tick, and Ctrl-C leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emulators import contract
from emulators.process import wait_until

UP_SECONDS_MAX = 120.0
DOWN_SECONDS_MAX = 20.0
ORPHANS_END_SECONDS_MAX = 5.0  # a killed server's workers end just after it


def test_it_comes_up_does_the_main_job_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    environment = {**os.environ, "STACK_FOLDER": str(tmp_path / "run")}
    output = tmp_path / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulators.run"],
            cwd=contract.ROOT,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "Parts:" in output.read_text(), "make run", UP_SECONDS_MAX)
        started = descendants(process.pid)
        asked = [
            command(environment, *words.split())
            for words in ("tick reconciliation", "tick ledger_seal", "ledger_check", "payouts stuck", "payouts next")
        ]
        logged = (tmp_path / "run" / "log" / "functions.log").read_text()
        ticked = command(environment, "tick", "payout_confirm", "--at", "2026-12-24T05:00Z")
        process.send_signal(signal.SIGINT)
        process.wait(DOWN_SECONDS_MAX)
    finally:
        process.kill()
        process.wait()

    said = output.read_text()
    assert process.returncode == 0, said
    assert re.search(r"holds 105 USDT: \$5 for a new member, \$100 for the scan, paid by 0x[0-9a-f]{64}", said)
    assert re.search(r"olive\.admin@example\.com +\S+ +admin", said)
    assert ticked == ["it is 2026-12-24 05:00:00 UTC now, for all functions", "payout_confirm sweep: done"]
    assert_the_books_are_right(asked, logged)
    assert len(started) > 3
    try:
        wait_until(lambda: not running(started), "the end of all", ORPHANS_END_SECONDS_MAX)
    except TimeoutError:
        assert running(started) == {}


def command(environment: dict[str, str], module: str, *words: str) -> list[str]:
    """What a command for the running stack prints."""
    ran = [sys.executable, "-m", f"emulators.{module}", *words]
    done = subprocess.run(ran, cwd=contract.ROOT, env=environment, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()


def assert_the_books_are_right(asked: list[list[str]], logged: str) -> None:
    """The main job's payments are in the books, in the chain, and nobody waits."""
    reconciled, sealed, checked, stuck, coming = asked
    assert (reconciled, sealed) == (["reconciliation daily: done"], ["ledger_seal daily: done"])
    assert re.search(r'"reconciled".*"status": "balanced", "badge": "balanced"', logged)
    assert checked[-1] == "every balance is the sum of its postings, every journal sums to zero, every seal holds"
    assert stuck == ["nothing is stuck: every open payout has moved within 2 minutes"]
    assert [line for line in coming if line.startswith("member: ") and " USDT on the chain, 0.00 set aside" in line]


@pytest.mark.parametrize(("job", "said"), [("scans", "has no schedule"), ("payout_confirm", "no stack is running")])
def test_a_tick_that_can_do_nothing_says_why(job: str, said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "emulators.tick", job],
        cwd=contract.ROOT,
        env={**os.environ, "STACK_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr


def running(pids: list[int]) -> dict[int, str]:
    """Those that run still, with their command lines; what has ended and waits for init to collect it does not run."""
    found = {}
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if state not in {"Z", "X"}:
            found[pid] = command
    return found


def descendants(pid: int) -> list[int]:
    """Every process below one, by the kernel's view."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]
