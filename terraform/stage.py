"""Stages what is deployed: for each function a folder and a zip of exactly what it needs, named by content.

`make build`, or `python -m terraform.stage`. In `.local/build/`: `staged/<function>/` as Cloud Run unpacks it,
`objects/functions/<function>/<sha256>.zip` to be uploaded under that name, and `functions.json`, which Terraform reads.

The same files give the same bytes on every machine, on every day: paths are sorted, times, modes and owners are
fixed, and nothing is compressed, because deflate is not the same everywhere. A zip whose content has not changed keeps
its name, so Terraform leaves that function alone.
"""

import argparse
import hashlib
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from terraform import checks, imports, pins
from terraform.functions import ROOT, Function, NotDeployable

BUILD = ROOT / ".local" / "build"
MANIFEST = "functions.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can name
UNIX = 3
PLAIN_FILE = 0o100644 << 16
# The framework puts only the folder of main.py on the path, so `functions` and `shared` must lie beside it.
MAIN = '''"""Where functions-framework looks for the function."""

from functions.{name}.main import {name}

__all__ = ["{name}"]
'''


@dataclass(frozen=True)
class Staged:
    """One function, ready to be deployed."""

    function: Function
    files: int
    archive: bytes
    sha256: str

    @property
    def object(self) -> str:
        """The archive's name in the bucket of sources, which is also its path below `objects/`."""
        return f"functions/{self.function.name}/{self.sha256}.zip"


def stage(function: Function, root: Path, known: Mapping[str, pins.Pin]) -> Staged:
    """The archive with everything that the function needs. Raises NotDeployable."""
    needs = imports.closure(function.name, root)
    names = imports.with_extras(needs)
    where = f"functions/{function.name}/requirements.txt"
    if (root / where).read_text(encoding="utf-8").splitlines() != [imports.CONSTRAINTS, *names]:
        raise NotDeployable(f"{where} is not what it imports: python -m terraform.imports --write.")
    contents = {path.relative_to(root).as_posix(): path.read_bytes() for path in needs.files}
    contents["main.py"] = MAIN.format(name=function.name).encode()
    contents["requirements.txt"] = pins.pinned(names, known).encode()
    archive = _zipped(contents)
    return Staged(function, len(contents), archive, hashlib.sha256(archive).hexdigest())


def build(root: Path = ROOT, folder: Path = BUILD) -> list[tuple[Staged, bool]]:
    """Check, stage and write all functions; returns each with whether it was new.

    Raises NotDeployable, and has written nothing then.
    """
    found = checks.check(root)
    known = pins.pins((root / "functions" / "constraints.txt").read_text(encoding="utf-8"))
    made = [stage(function, root, known) for function in found.values()]
    written = [(staged, _write(staged, folder)) for staged in made]
    _remove_all_but({staged.function.name for staged in made}, folder)
    manifest = {"runtime": pins.RUNTIME, "functions": {staged.function.name: _entry(staged) for staged in made}}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return written


def table(built: list[tuple[Staged, bool]]) -> str:
    """The table of what was built, for people."""
    lines = [f"{'function':<18} {'files':>5} {'bytes':>9}  {'sha256':<16}"]
    lines += [
        f"{made.function.name:<18} {made.files:>5} {len(made.archive):>9,}  {made.sha256[:16]}{'  new' if new else ''}"
        for made, new in built
    ]
    files, size = sum(made.files for made, _ in built), sum(len(made.archive) for made, _ in built)
    changed = sum(new for _, new in built)
    lines.append(f"{f'{len(built)} functions':<18} {files:>5} {size:>9,}  {changed} new, the others are as they were")
    return "\n".join(lines)


def _zipped(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = UNIX, PLAIN_FILE
            archive.writestr(entry, contents[name])
    return buffer.getvalue()


def _write(staged: Staged, folder: Path) -> bool:
    """Write the function's files; True if they were new. The zip comes last: the next build notices a killed one."""
    target, unpacked = folder / "objects" / staged.object, folder / "staged" / staged.function.name
    if unpacked.is_dir() and target.is_file() and target.read_bytes() == staged.archive:
        return False
    shutil.rmtree(unpacked, ignore_errors=True)
    shutil.rmtree(target.parent, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(staged.archive)) as archive:
        archive.extractall(unpacked)
    target.parent.mkdir(parents=True)
    target.write_bytes(staged.archive)
    return True


def _remove_all_but(names: set[str], folder: Path) -> None:
    for path in [*(folder / "staged").iterdir(), *(folder / "objects" / "functions").iterdir()]:
        if path.name not in names:
            shutil.rmtree(path)


def _entry(staged: Staged) -> dict[str, object]:
    function = staged.function
    return function.model_dump(exclude={"name"}) | {
        "service": function.service,
        "entry_point": function.name,
        "object": staged.object,
        "sha256": staged.sha256,
        "bytes": len(staged.archive),
        "files": staged.files,
        "settings": dict(function.settings),
        "connections_max": function.connections_max,
    }


def main(arguments: list[str] | None = None) -> None:
    """Build and print the table; exits with code 1 and one sentence when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--into", type=Path, default=BUILD, help="where it is built")
    parser.add_argument("--seal", action="store_true", help="the migrations have been applied: let nobody edit them")
    asked = parser.parse_args(arguments)
    try:
        if asked.seal:
            checks.seal(asked.root)
        built = build(asked.root, asked.into)
    except NotDeployable as fault:
        sys.exit(str(fault))
    sys.stdout.write(table(built) + "\n")


if __name__ == "__main__":
    main()
