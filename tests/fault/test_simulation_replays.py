"""A seed that somebody reports is the same schedule in any other process, whatever its hashes are salted with."""

import os
import subprocess
import sys

from emulators.contract import ROOT

SECONDS_MAX = 120


def digest(salt: str) -> str:
    command = [sys.executable, "-m", "tests.fault.simulation", "--family", "everything", "--seed", "5", "--digest"]
    environment = os.environ | {"PYTHONHASHSEED": salt, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=True
    )
    return told.stdout.strip()


def test_two_processes_play_the_same() -> None:
    first = digest("1")

    assert len(first) == 64
    assert digest("2") == first
