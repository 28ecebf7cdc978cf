"""A stack that is up is looked after: parts that end by themselves are told, logs stay short, a moved clock is seen."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulators.process import Child, PartEnded, wait_until
from emulators.watch import Watch, shorten

SLEEP = [sys.executable, "-c", "import time; print('it is up', flush=True); time.sleep(600)"]
LOOKS_SECONDS_MAX = 10.0


@dataclass
class Heard:
    """The lines that a watch has told."""

    ended: list[Child] = field(default_factory=list)
    moves: int = 0

    def move(self) -> None:
        self.moves += 1


Start = Callable[[str], Child]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    made = Heard()
    watch = Watch(tmp_path / "log", tmp_path / "clock", made.move, made.ended.append)
    watch.start()
    yield made
    watch.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a part that says something and stays."""
    children: list[Child] = []

    def run(name: str) -> Child:
        child = Child.start(name, SLEEP, tmp_path / "log" / f"{name}.log")
        children.append(child)
        child.wait_until_ready(lambda: "it is up" in child.log.read_text())
        return child

    yield run
    for child in children:
        child.kill()


def test_a_part_that_ends_by_itself_is_told_once(heard: Heard, start: Start) -> None:
    lost, asked, other = start("lost"), start("asked"), start("other")

    asked.stop()
    os.kill(lost.process.pid, signal.SIGKILL)
    wait_until(lambda: bool(heard.ended), "the end", LOOKS_SECONDS_MAX)
    os.kill(other.process.pid, signal.SIGKILL)
    wait_until(lambda: len(heard.ended) > 1, "the other's end", LOOKS_SECONDS_MAX)

    assert heard.ended == [lost, other]
    where = os.path.relpath(lost.log)
    assert str(PartEnded(lost)) == f"lost ended by SIGKILL; its log, {where}, ends so:\nit is up"


def test_a_part_that_ends_while_it_starts_is_told_by_whoever_waits(heard: Heard, tmp_path: Path) -> None:
    child = Child.start("short", [sys.executable, "-c", "exit(3)"], tmp_path / "log" / "short.log")

    with pytest.raises(
        PartEnded, match=r"short ended with exit code 3; its log, .*/short\.log, ends so:\n\(it is empty\)"
    ):
        child.wait_until_ready(lambda: False, LOOKS_SECONDS_MAX)

    assert heard.ended == []


def test_a_clock_that_is_moved_is_noticed(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("3600")

    wait_until(lambda: heard.moves == 1, "the notice", LOOKS_SECONDS_MAX)


def test_a_long_log_is_moved_aside_and_its_part_goes_on_writing(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    with log.open("ab", buffering=0) as output:
        output.write(b"old\n" * 10)
        shorten(log, bytes_max=40)
        kept = log.stat().st_size
        output.write(b"more\n")
        shorten(log, bytes_max=40)
        output.write(b"new\n")

    assert kept == 40
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"old\n" * 10 + b"more\n"
