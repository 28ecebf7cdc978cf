"""`make run` as a person uses it: it comes up, says what it has, obeys tick, and Ctrl-C leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulators import contract, running
from emulators.client import Client
from emulators.process import wait_until

UP_SECONDS_MAX = 120.0
DOWN_SECONDS_MAX = 20.0
DIES_SECONDS_MAX = 60.0  # it may be waiting for an answer
FRESH_SECONDS_MAX = 30.0
QUESTIONS = (
    "emulators.tick reconciliation",
    "emulators.tick ledger_seal",
    "terraform.operations.ledger_check",
    "terraform.operations.payouts stuck",
    "terraform.operations.payouts next",
)
ORPHANS_END_SECONDS_MAX = 5.0  # a killed server's workers end just after it


def test_it_comes_up_does_the_main_job_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    environment = {**os.environ, "STACK_FOLDER": str(tmp_path / "run")}
    output = tmp_path / "output"
    with started(output, environment) as process:
        wait_until(lambda: "Parts:" in output.read_text(), "make run", UP_SECONDS_MAX)
        below = descendants(process.pid)
        second = command(environment, "emulators.run")
        asked = [command(environment, *words.split()) for words in QUESTIONS]
        dead = command(environment, "terraform.operations.dead_letters", "list")
        logged = (tmp_path / "run" / "log" / "functions.log").read_text()
        ticked = command(environment, "emulators.tick", "payout_confirm", "--at", "2026-12-24T05:00Z")
        known = json.loads((tmp_path / "run" / running.STATE).read_text())
        wait_until(lambda: answers_to(tmp_path, known) == (200, 200), "a fresh token", FRESH_SECONDS_MAX)
        process.send_signal(signal.SIGINT)
        process.wait(DOWN_SECONDS_MAX)

    said = output.read_text()
    assert process.returncode == 0, said
    assert re.search(r"holds 105 USDT: \$5 for a new member, \$100 for the scan, paid by 0x[0-9a-f]{64}", said)
    assert re.search(r"olive\.admin@example\.com +\S+ +admin", said)
    assert re.search(r"Web site: http://\S+/ \(live figures\)", said)
    assert ticked == ["it is 2026-12-24 05:00:00 UTC now, for all functions", "payout_confirm sweep: done"]
    assert dead == ["there are no dead letters"]
    assert f"already (process {process.pid}, since 20" in second[0]
    assert_the_books_are_right(asked, logged)
    assert_nothing_is_left(tmp_path, environment, below)


def test_a_part_that_dies_is_told_and_ends_the_stack(tmp_path: Path) -> None:
    environment = {**os.environ, "STACK_FOLDER": str(tmp_path / "run")}
    output = tmp_path / "output"
    with started(output, environment) as process:
        wait_until(lambda: "the stack is up" in output.read_text(), "the stack", UP_SECONDS_MAX)
        below = descendants(process.pid)
        (chain,) = [pid for pid, line in alive(below).items() if "/anvil" in line]
        os.kill(chain, signal.SIGKILL)
        process.wait(DIES_SECONDS_MAX)

    said = output.read_text()
    assert process.returncode == 1, said
    assert "UTC  chain ended by SIGKILL; its log, " in said
    assert "run/log/chain.log, ends so:" in said
    assert "The stack ends with it" in said
    assert "Traceback" not in said
    assert_nothing_is_left(tmp_path, environment, below)


@contextmanager
def started(output: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """`make run`, which is ended by force if the test does not end it."""
    ran = [sys.executable, "-m", "emulators.run"]
    with output.open("wb") as sink:
        process = subprocess.Popen(ran, cwd=contract.ROOT, env=environment, stdout=sink, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers_to(folder: Path, known: dict[str, str]) -> tuple[int, int]:
    """The statuses of a member's read and of a realtime token, asked for with the token in the file."""
    client = Client(known["gateway"], (folder / "run" / running.TOKEN).read_text())
    try:
        return client.get("/v1/users/me").status, client.post("/v1/realtime/token").status
    finally:
        client.close()


def assert_nothing_is_left(folder: Path, environment: dict[str, str], below: list[int]) -> None:
    """Neither a process nor a file that leads nowhere; the logs stay, and commands say that nothing runs."""
    assert len(below) > 3
    try:
        wait_until(lambda: not alive(below), "the end of all", ORPHANS_END_SECONDS_MAX)
    except TimeoutError:
        assert alive(below) == {}
    assert {path.name for path in (folder / "run").iterdir()} <= {running.LOCK, running.LOGS, running.CLOCK}
    assert command(environment, "terraform.operations.payouts", "stuck") == [
        "no stack is running here: start one with make run"
    ]


def command(environment: dict[str, str], module: str, *words: str) -> list[str]:
    """The lines that a command for the running stack prints."""
    ran = [sys.executable, "-m", module, *words]
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


def alive(pids: list[int]) -> dict[int, str]:
    """The processes that still run, with their command lines; one that waits to be collected by init has ended."""
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
