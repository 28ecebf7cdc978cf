"""Commands at a terminal when nothing runs, when another stack runs, and when they are asked nonsense.

Each says one plain sentence and exits with 2: no traceback, nothing started, nothing removed.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emulators import advance, clean, contract, postgres, running, soak, tick
from emulators.process import free_port, listening
from emulators.running import Lock
from emulators.stack import Options, Stack
from shared import config
from terraform.operations import dead_letters, ledger_check, payouts

ASKING = (
    "tick payout_confirm",
    "advance 2027-03-31T00:00:00Z",
    "payouts stuck",
    "payouts next",
    "ledger_check",
    "dead_letters list",
)
COMMANDS: dict[str, Callable[[], None]] = {
    "tick": tick.main,
    "advance": advance.main,
    "payouts": payouts.main,
    "ledger_check": ledger_check.main,
    "dead_letters": dead_letters.main,
    "soak": soak.main,
    "run": lambda: Stack(Options.from_environment()).start(),  # without the handlers of signals
}


@dataclass
class Done:
    """The output of a command and its exit code."""

    code: object
    output: str
    errors: str


Run = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of whatever stack the commands of a test mean."""
    return tmp_path / "run"


@pytest.fixture
def taken(folder: Path) -> Iterator[Path]:
    """The folder of a stack that is up, as far as commands can see."""
    lock = Lock.take(folder)
    lock.tell("http://127.0.0.1:12345")
    known = {
        "gateway": "http://127.0.0.1:9",
        "router": "http://127.0.0.1:9/",
        "identity": "http://127.0.0.1:9",
        "secret": "x",
        "settings": {},
    }
    running.remember(folder, {**known, "clock": str(folder / running.CLOCK)})
    yield folder
    lock.release()


@pytest.fixture
def ran(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command in this process, in an environment that says nothing but what the test does."""
    before = dict(os.environ)

    def run(words: str, **settings: str) -> Done:
        for name in list(os.environ):
            if name.startswith(("DATABASE_", "EMULATOR", "GATEWAY_PORT", "ISOLATED", "GOOGLE_", "PUBSUB_")):
                del os.environ[name]
        os.environ.update({"STACK_FOLDER": str(folder), **settings})
        config.read.cache_clear()
        name, *given = words.split()
        monkeypatch.setattr(sys, "argv", [name, *given])
        with pytest.raises(SystemExit) as end:
            COMMANDS[name]()
        said = capsys.readouterr()
        return Done(end.value.code, said.out, said.err)

    yield run
    os.environ.clear()
    os.environ.update(before)
    config.read.cache_clear()


def refused(done: Done) -> str:
    """The one sentence that a command printed."""
    assert (done.code, done.output) == (2, ""), done
    (sentence,) = done.errors.splitlines()
    return sentence


@pytest.mark.parametrize("words", ASKING)
def test_nothing_runs(words: str, ran: Run) -> None:
    assert refused(ran(words)) == "no stack is running here: start one with make run"


@pytest.mark.parametrize("words", ASKING)
def test_the_stack_was_killed_and_left_its_files(words: str, ran: Run, folder: Path) -> None:
    lock = Lock.take(folder)
    lock.release()
    running.remember(folder, {"settings": {"DATABASE_PORT": "9"}})  # written after the end, as if it had stayed

    assert refused(ran(words)) == "no stack is running here: start one with make run"


@pytest.mark.parametrize("words", ASKING)
def test_the_stack_is_still_starting(words: str, ran: Run, folder: Path) -> None:
    lock = Lock.take(folder)
    try:
        sentence = refused(ran(words))
    finally:
        lock.release()

    assert sentence.startswith(f"the stack here is still starting, or ending (process {os.getpid()}, since 20")


@pytest.mark.parametrize("words", ["payouts stuck", "payouts next", "ledger_check"])
def test_the_database_of_the_environment_is_away(words: str, ran: Run) -> None:
    port = str(free_port())

    sentence = refused(ran(words, DATABASE_NAME="blakjaks", DATABASE_PASSWORD="x", DATABASE_PORT=port))

    assert sentence.startswith(f"the database 127.0.0.1:{port} cannot be asked: ")


def test_pubsub_of_the_environment_cannot_be_asked(ran: Run, tmp_path: Path) -> None:
    nobody = {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "missing.json")}

    assert refused(ran("dead_letters list", **nobody)).startswith("Pub/Sub cannot be asked: ")


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("words", ["tick payout_confirm", "advance 2027-03-31T00:00:00Z"])
def test_a_stack_that_does_not_answer(words: str, ran: Run) -> None:
    assert refused(ran(words)).startswith("the stack here does not answer: ")


@pytest.mark.usefixtures("taken")
def test_an_advance_without_a_time(ran: Run) -> None:
    assert refused(ran("advance")) == "say until when: make advance TO=2027-03-31T00:00:00Z"


@pytest.mark.parametrize("words", ["tick", "tick scans", "tick nonsense"])
@pytest.mark.usefixtures("taken")
def test_a_tick_of_no_job(words: str, ran: Run) -> None:
    sentence = refused(ran(words))

    assert "these have: " in sentence
    assert "payout_confirm" in sentence


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("nonsense", "AT=nonsense is no time: write it as AT=2026-11-29T00:00Z"),
        ("2020-01-01", "AT=2020-01-01 is over: it is 20"),
        ("9999-12-31T23:59+00:00", "AT=9999-12-31T23:59+00:00 is more than 3660 days ahead"),
        ("0001-01-01T00:00+14:00", "AT=0001-01-01T00:00+14:00 is over: it is 20"),
    ],
)
def test_a_tick_at_a_time_that_cannot_be(at: str, said: str, taken: Path, ran: Run) -> None:
    assert refused(ran(f"tick payout_confirm --at {at}")).startswith(said)
    assert not (taken / running.CLOCK).exists()


def test_the_clock_of_a_moved_stack_does_not_go_back(taken: Path, ran: Run) -> None:
    clock = taken / running.CLOCK
    clock.write_text(str(timedelta(days=40).total_seconds()))
    at = (datetime.now(UTC) + timedelta(days=39)).strftime("%Y-%m-%dT%H:%MZ")

    assert "the clock only goes forward" in refused(ran(f"tick payout_confirm --at {at}"))
    assert clock.read_text() == "3456000.0"


@pytest.mark.parametrize(
    "words", ["payouts", "payouts nonsense", "dead_letters", "dead_letters nonsense", "ledger_check x",
              "soak --minutes x", "tick payout_confirm x"],
)  # fmt: skip
def test_words_that_mean_nothing(words: str, ran: Run, folder: Path) -> None:
    done = ran(words)

    assert (done.code, done.output) == (2, "")
    assert done.errors.startswith("usage: ")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("EMULATOR", "foo", "official or embedded or auto"),
        ("EMULATOR_FIRESTORE", "Embedded", "official or embedded or auto"),
        ("EMULATOR_PUBSUB", "yes", "official or embedded or auto"),
        ("EMULATOR_POSTGRES", "official", "machine or embedded or auto"),
        ("ISOLATED", "maybe", "0 or 1"),
        ("GATEWAY_PORT", "70000", "a number from 1 to 65535"),
        ("GATEWAY_PORT", "0", "a number from 1 to 65535"),
        ("GATEWAY_PORT", "80a", "a number from 1 to 65535"),
        ("GATEWAY_PORT", "-1", "a number from 1 to 65535"),
    ],
)
def test_a_setting_that_is_not_allowed(name: str, value: str, allowed: str, ran: Run, folder: Path) -> None:
    assert refused(ran("run", **{name: value})) == f"{name} is {value!r}; allowed is {allowed}"
    assert not folder.exists()


def test_a_setting_of_an_emulator_that_does_not_exist(ran: Run) -> None:
    sentence = refused(ran("run", EMULATOR_REDIS="official"))

    assert sentence.startswith("there is no setting EMULATOR_REDIS: these are known: EMULATOR, EMULATOR_FIRESTORE")


def test_make_knows_its_settings() -> None:
    command = [shutil.which("make") or "make", "run", "ISOLATE=1", "ARGS=a b=c"]
    done = subprocess.run(command, cwd=contract.ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "there is no setting ISOLATE; there are PYTHON ARGS " in done.stderr


def test_a_second_stack_in_one_folder(taken: Path, ran: Run) -> None:
    sentence = refused(ran("run"))

    where = os.path.relpath(taken)
    assert sentence.startswith(f"a stack is running in {where} already (process {os.getpid()}, since ")
    assert "UTC, http://127.0.0.1:12345). Stop it first, or " in sentence
    assert (taken / running.STATE).exists()


def test_a_gateway_port_that_is_taken(ran: Run, folder: Path) -> None:
    with listening() as other:
        port = other.getsockname()[1]
        sentence = refused(ran("run", GATEWAY_PORT=str(port)))

    assert sentence == f"port {port} cannot be had (Address already in use): choose another GATEWAY_PORT, or none"
    assert running.holder(folder) is None


def test_a_postgres_that_is_not_on_the_machine(ran: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(postgres, "PLACES", ())
    path = str(folder.parent)

    assert refused(ran("run", EMULATOR_POSTGRES="machine", EMULATOR_FIRESTORE="embedded", PATH=path)) == (
        "this machine has no Postgres 15 or newer"
    )
    assert running.holder(folder) is None


def test_a_folder_with_somebodys_files(ran: Run, folder: Path) -> None:
    folder.mkdir()
    letter = folder / "letter.txt"
    letter.write_text("dear")

    assert refused(ran("run")).endswith("STACK_FOLDER must name a new or an empty folder")
    assert letter.read_text() == "dear"


def test_a_folder_that_is_a_file(ran: Run, folder: Path) -> None:
    folder.write_text("dear")

    assert "cannot be written to (Not a directory)" in refused(ran("run"))
    assert folder.read_text() == "dear"


def test_clean_leaves_a_running_stack_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    local = tmp_path / ".local"
    lock = Lock.take(local / "run")
    with pytest.raises(SystemExit) as refusal:
        clean.clean(local)
    kept = (local / "run").exists()
    lock.release()
    clean.clean(local)

    assert refusal.value.code == 2
    assert capsys.readouterr().err.startswith(f".local/run is in use by process {os.getpid()}, since ")
    assert (kept, local.exists()) == (True, False)


def test_what_other_commands_read_is_the_owners_alone(taken: Path) -> None:
    running.private(taken / running.TOKEN, "secret")

    modes = {name: (taken / name).stat().st_mode & 0o777 for name in (running.STATE, running.TOKEN)}
    assert modes == {running.STATE: 0o600, running.TOKEN: 0o600}
    assert json.loads((taken / running.STATE).read_text())["secret"] == "x"


@pytest.mark.parametrize(
    ("asked", "runs"),
    [
        (("tick", "JOB=scans", "AT=2026-11-29 00:00"), "-m emulators.tick scans --at '2026-11-29 00:00'"),
        (("advance", "TO=2027-03-31T00:00:00Z"), "-m emulators.advance '2027-03-31T00:00:00Z'"),
    ],
)
def test_what_is_asked_of_make_is_asked_of_the_module(asked: tuple[str, ...], runs: str) -> None:
    """A target's recipe passes its settings on; make itself turns the exit code into 2."""
    of_the_outer_make = {
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
    }  # an inner make says where it enters
    told = subprocess.run(
        [shutil.which("make") or "make", "-n", *asked],
        cwd=contract.ROOT, capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if name not in of_the_outer_make},
    )  # fmt: skip

    assert told.stdout.splitlines()[-1].endswith(runs)
