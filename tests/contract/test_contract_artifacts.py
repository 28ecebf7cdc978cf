"""Are the committed contract artifacts what their sources compile to?"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from emulators.bootstrap import NODE, ROOT, VENV

CHAIN = ROOT / "emulators" / "chain"
COMPILE_SECONDS_MAX = 300.0  # seven on an idle machine; a limit against hanging only


def node() -> str:
    """The machine's node, or the one that the set-up took from PyPI."""
    found = shutil.which("node", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{VENV / 'bin'}")
    if found is None or not (NODE / "node_modules" / "solc").is_dir():
        pytest.skip("node or the solc package is not on this machine: run `make setup`")
    return found


def test_a_recompilation_gives_the_committed_artifacts_byte_for_byte(tmp_path: Path) -> None:
    command = [node(), str(CHAIN / "compile.mjs"), str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, timeout=COMPILE_SECONDS_MAX, check=True)
    assert contents(tmp_path) == contents(CHAIN / "artifacts")


def test_every_contract_has_an_artifact() -> None:
    sources = {path.stem for path in (CHAIN / "contracts").glob("*.sol")}
    assert sources == {path.stem for path in (CHAIN / "artifacts").iterdir()}


def test_an_artifact_says_nothing_about_the_machine_it_was_built_on() -> None:
    for content in contents(CHAIN / "artifacts").values():
        assert str(ROOT).encode() not in content


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
