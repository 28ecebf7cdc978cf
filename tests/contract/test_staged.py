"""A function is deployed with exactly the files that it needs, the same bytes everywhere, anew only when it changed."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from terraform import imports, pins, stage
from terraform.functions import ROOT, functions
from tests.contract.checkout import copy_checkout

PINNED = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, in a folder of another name."""
    root = tmp_path_factory.mktemp("checkout")
    copy_checkout(root)
    return root


@pytest.fixture(scope="module")
def built(tree: Path) -> Path:
    stage.build(tree, tree / "build")
    return tree / "build"


def digests(build: Path) -> Mapping[str, str]:
    entries = json.loads((build / stage.MANIFEST).read_text())["functions"]
    return {name: entry["sha256"] for name, entry in entries.items()}


def names_in(build: Path, function: str) -> list[str]:
    (path,) = (build / "objects" / "functions" / function).glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_two_machines_build_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Another folder, umask, time zone, locale, hash seed and working directory, files in another order and younger."""
    other = tmp_path / "elsewhere"
    other.mkdir(mode=0o700)
    copy_checkout(other)
    for path in sorted(other.rglob("*.py"), reverse=True):
        os.utime(path, (2_000_000_000, 2_000_000_000))
        path.chmod(0o755)
    environment = {"PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "12345"}
    code = "import os, sys; os.umask(0o077); from terraform import stage; stage.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "--root", str(other), "--into", str(other / "build")]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path, capture_output=True)
    assert digests(other / "build") == digests(built)
    for path in (built / "objects").rglob("*.zip"):
        assert (other / "build" / path.relative_to(built)).read_bytes() == path.read_bytes()


def test_a_second_build_writes_nothing(tree: Path, built: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (built / "objects").rglob("*.zip")}
    assert [made.function.name for made, new in stage.build(tree, built) if new] == []
    assert {path: path.stat().st_mtime_ns for path in (built / "objects").rglob("*.zip")} == before


def test_a_changed_shared_file_rebuilds_only_who_imports_it(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    stage.build(tmp_path, tmp_path / "build")
    changed = tmp_path / "shared" / "comps" / "guarantees.py"
    changed.write_text(changed.read_text() + "# changed\n")
    rebuilt = {made.function.name for made, new in stage.build(tmp_path, tmp_path / "build") if new}
    guarantees = ROOT / "shared" / "comps" / "guarantees.py"
    importing = {name for name in functions() if guarantees in imports.closure(name).files}
    assert rebuilt == importing
    assert set() < importing < set(functions())


def test_a_changed_pin_rebuilds_only_who_needs_it(tree: Path) -> None:
    known = pins.pins((tree / "functions" / "constraints.txt").read_text())
    other = {**known, "zxcvbn": pins.Pin("zxcvbn", known["zxcvbn"].version, known["zxcvbn"].text + "# changed\n")}
    differing = {
        function.name
        for function in functions(tree).values()
        if stage.stage(function, tree, known).sha256 != stage.stage(function, tree, other).sha256
    }
    assert differing == {name for name in functions() if "zxcvbn" in imports.closure(name).distributions}


def test_what_is_gone_from_the_tree_is_gone_from_the_build(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    (tmp_path / "build" / "staged" / "forgotten").mkdir(parents=True)
    (tmp_path / "build" / "objects" / "functions" / "forgotten").mkdir(parents=True)
    stage.build(tmp_path, tmp_path / "build")
    assert list((tmp_path / "build").rglob("forgotten")) == []


@pytest.mark.parametrize("name", sorted(functions()))
def test_it_holds_its_own_folder_and_only_shared_files_that_something_in_it_imports(built: Path, name: str) -> None:
    inside = names_in(built, name)
    assert inside == sorted(inside)
    assert {"main.py", "requirements.txt", "functions/__init__.py", f"functions/{name}/main.py"} <= set(inside)
    own = [path for path in inside if path.startswith("functions/")]
    assert all(path == "functions/__init__.py" or path.startswith(f"functions/{name}/") for path in own)
    text = "\n".join((built / "staged" / name / path).read_text() for path in inside if path.endswith(".py"))
    for module in (Path(path).stem for path in inside if path.startswith("shared/") and path.endswith(".py")):
        imported = rf"^ *(from|import) shared[^\n(]*(\([^)]*)?\b{module}\b"
        assert module == "__init__" or re.search(imported, text, re.MULTILINE), module


def test_scans_leave_the_migrations_at_home_and_migrate_takes_them(built: Path) -> None:
    folder = "shared/database/migrations"
    there_are = {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.sql")}
    assert there_are <= set(names_in(built, "migrate"))
    assert not there_are & set(names_in(built, "scans"))


def test_every_module_that_reads_a_file_beside_it_is_known() -> None:
    """Whatever is read by way of `__file__` has to be staged: READ_BY says what it is."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("functions", "shared")
        for path in (ROOT / folder).rglob("*.py")
        if any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(ast.parse(path.read_text())))
    }
    assert readers == set(imports.READ_BY)


@pytest.mark.parametrize("name", sorted(functions()))
def test_every_file_of_its_folder_is_staged(built: Path, name: str) -> None:
    folder = ROOT / "functions" / name
    left_out = {"function.yaml", "requirements.txt"}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(folder).as_posix() not in left_out
    }
    assert there == {path for path in names_in(built, name) if path.startswith(f"functions/{name}/")}


def test_requirements_are_complete_pinned_and_hashed(built: Path) -> None:
    text = (built / "staged" / "scans" / "requirements.txt").read_text()
    pinned = PINNED.findall(text)
    assert {name.partition("[")[0] for name in imports.closure("scans").distributions} <= set(pinned)
    assert pinned == sorted(set(pinned))
    assert not {"pytest", "web3", "google-cloud-firestore", "colorama"} & set(pinned)
    assert all("--hash=sha256:" in part for part in PINNED.split(text)[2::2])
    assert "http" not in text.replace("httpx", "").replace("google-api-core", "").replace("aiohttp", "")


def test_the_manifest_says_what_function_yaml_says(built: Path) -> None:
    entry = json.loads((built / stage.MANIFEST).read_text())["functions"]["payout_send"]
    said = functions()["payout_send"]
    assert entry["service"] == "payout-send"
    assert entry["entry_point"] == "payout_send"
    assert entry["object"] == f"functions/payout_send/{entry['sha256']}.zip"
    assert (built / "objects" / entry["object"]).stat().st_size == entry["bytes"]
    assert entry["settings"]["THREADS"] == str(said.concurrency)
    assert entry["queues"] == [queue.model_dump() for queue in said.queues]
    assert entry["connections_max"] == said.concurrency


def test_the_table_names_every_function_with_its_files_size_and_hash(
    tree: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.main(["--root", str(tree), "--into", str(built)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(functions()) + 2
    for line, (name, sha256) in zip(lines[1:], sorted(digests(built).items()), strict=False):
        assert line.split()[0] == name
        assert line.split()[3] == sha256[:16]
