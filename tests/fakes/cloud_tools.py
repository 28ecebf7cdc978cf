"""Fake gcloud and terraform on the PATH: they record how they were called, and answer from a file."""

import json
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TOOL = """#!{python} -IS
import json, pathlib, sys
folder = pathlib.Path({folder!r})
call = " ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])
with (folder / "calls").open("a") as calls:
    calls.write(call + "\\n")
for pattern, (status, text) in json.loads((folder / "answers").read_text()).items():
    if all(word in call for word in pattern.split(" ")):
        (sys.stderr if status else sys.stdout).write(text)
        sys.exit(status)
"""


@dataclass
class CloudTools:
    """The tools' answers: the first entry whose words are all in the call; every other call succeeds without output."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("gcloud", "terraform"):
            tool = self.folder / "bin" / name
            tool.parent.mkdir(parents=True, exist_ok=True)
            tool.write_text(TOOL.format(python=sys.executable, folder=str(self.folder)))
            tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        self.answer({})

    @property
    def path(self) -> str:
        """The value for PATH; no other tool is on it."""
        return str(self.folder / "bin")

    @property
    def calls(self) -> list[str]:
        """Every call so far, in order."""
        noted = self.folder / "calls"
        return noted.read_text().splitlines() if noted.exists() else []

    def answer(self, answers: Mapping[str, tuple[int, str]]) -> None:
        """Set the answers by words of the call: its exit code, and its output (to stderr when it fails)."""
        (self.folder / "answers").write_text(json.dumps(answers))

    def remove(self, name: str) -> None:
        """Remove a tool, as on a machine where it was never installed."""
        (self.folder / "bin" / name).unlink()
