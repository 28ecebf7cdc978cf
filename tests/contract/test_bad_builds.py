"""A fault of the tree stops the build with one clear sentence, and nothing is written."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from terraform import checks, stage
from terraform.functions import ROOT
from tests.contract.checkout import copy_checkout

SCANS = "functions/scans/function.yaml"
ROLLUP = "functions/scan_rollup/function.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copy_checkout(tmp_path)
    return tmp_path


def refusal(root: Path) -> str:
    """The sentence that the build prints before it ends with exit code 1."""
    with pytest.raises(SystemExit) as ended:
        stage.main(["--root", str(root), "--into", str(root / "build")])
    assert not (root / "build").exists()
    sentence = ended.value.code
    assert isinstance(sentence, str)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def change(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (SCANS, "concurrency:", "concurency:", "concurency is not a key of function.yaml (did you mean concurrency?)"),
        (SCANS, "description:", "name: scans\ndescription:", "name is not a key of function.yaml, a function is named"),
        (SCANS, "memory: 512Mi\n", "", "memory is missing"),
        (SCANS, "memory: 512Mi", "memory: 640k", "memory: Input should be '256Mi'"),
        (SCANS, "gateway: true", "gateway: maybe", "gateway: Input should be a valid boolean"),
        (SCANS, "pubsub.publisher", "pubsub.publsher", "pubsub.publsher is not a role that functions have (did you"),
        (
            SCANS,
            "secrets:",
            "scopes: {storage.objectUser: [codes]}\nsecrets:",
            "scopes: storage.objectUser is",
        ),
        (SCANS, "min: 1, max: 40", "min: 50, max: 40", "instances: min is 50 and max is 40"),
        (SCANS, "environment: {", "environment: {THREADS: '9', ", "THREADS is set by the platform"),
        (SCANS, "gateway: true", "gateway: [", "is not YAML"),
        (ROLLUP, '"* * * * *"', '"61 * * * *"', "schedules.0.cron: '61 * * * *' is not a crontab: Bad minute"),
        (ROLLUP, '"* * * * *"', '"* * * * * *"', "is not a crontab of five fields"),
        (ROLLUP, "schedules:\n  - {name: roll-up", "on_deploy: []\nqueues: []\n#", "nobody calls it"),
        ("functions/codes_change/function.yaml", "name: codes-change,", "name: codes-import,", "queue codes-import is"),
    ],
)
def test_a_function_yaml_that_makes_no_sense(root: Path, path: str, old: str, new: str, said: str) -> None:
    change(root, path, old, new)
    sentence = refusal(root)
    assert said in sentence
    assert "functions/" in sentence


@pytest.mark.parametrize("name", ["function.yaml", "main.py", "requirements.txt", "__init__.py"])
def test_a_missing_file(root: Path, name: str) -> None:
    (root / "functions" / "wallet" / name).unlink()
    assert refusal(root) == f"functions/wallet/{name} is missing."


def test_a_folder_whose_main_has_no_function_of_its_name(root: Path) -> None:
    change(root, "functions/wallet/main.py", "def wallet(", "def purse(")
    assert refusal(root) == "functions/wallet/main.py has no plain function wallet, which is its door."


def test_a_door_that_is_no_plain_function(root: Path) -> None:
    change(root, "functions/wallet/main.py", "def wallet(", "async def wallet(")
    assert "has no plain function wallet" in refusal(root)


def test_a_module_that_is_not_python(root: Path) -> None:
    (root / "functions" / "wallet" / "rules.py").write_text("def broken(:\n")
    assert refusal(root) == "wallet/rules.py is not Python: invalid syntax, line 1."


def test_an_import_of_what_there_is_not(root: Path) -> None:
    (root / "shared" / "web" / "signatures.py").unlink()
    assert "imports shared.web.signatures.Contract, which there is not." in refusal(root)


def test_an_import_of_a_room_instead_of_a_module(root: Path) -> None:
    """The room's modules would be missing in the cloud alone: only its `__init__.py` would be staged."""
    change(root, "functions/wallet/main.py", "from flask import", "from shared import payouts\nfrom flask import")
    said = "functions/wallet/main.py imports shared.payouts, which is a room: import its modules by their names."
    assert refusal(root) == said


def test_a_room_and_a_module_of_one_name(root: Path) -> None:
    (root / "shared" / "payouts.py").write_text("")
    assert refusal(root) == "shared/payouts.py has the name of a room: Python would import the room instead."


def test_a_room_that_imports_its_modules(root: Path) -> None:
    (root / "shared" / "payouts" / "__init__.py").write_text("from shared.payouts import machine\n")
    said = "shared/payouts/__init__.py is not empty: the whole room would be deployed with every module."
    assert refusal(root) == said


def test_an_import_that_no_package_provides(root: Path) -> None:
    change(root, "functions/wallet/main.py", "from flask import", "import left_pad\nfrom flask import")
    assert refusal(root) == "functions/wallet/main.py imports left_pad, which no package of `make setup` has."


def test_requirements_that_are_not_what_it_imports(root: Path) -> None:
    change(root, "functions/wallet/requirements.txt", "simplejson\n", "simplejson\nyarl\n")
    assert "functions/wallet/requirements.txt is not what it imports" in refusal(root)


def test_a_requirement_that_is_not_pinned(root: Path) -> None:
    change(root, "functions/constraints.txt", "\nzxcvbn==", "\nzxcvbn-other==")
    assert refusal(root) == "zxcvbn is needed and not pinned in functions/constraints.txt: make lock."


def test_a_pin_that_is_not_what_is_installed(root: Path) -> None:
    change(root, "functions/constraints.txt", "\nzxcvbn==", "\nzxcvbn==99.")
    assert refusal(root) == "zxcvbn is installed in another version than it is pinned: make setup."


def test_an_operation_without_a_function(root: Path) -> None:
    change(root, "openapi.yaml", "x-google-backend: wallet", "x-google-backend: purse")
    assert "is answered by purse, and there is no functions/purse." in refusal(root)


def test_an_operation_that_names_no_function(root: Path) -> None:
    change(root, "openapi.yaml", "      x-google-backend: wallet\n", "")
    assert "does not say which function answers it" in refusal(root)


def test_an_operation_of_a_function_that_is_not_behind_the_gateway(root: Path) -> None:
    change(root, "openapi.yaml", "x-google-backend: wallet", "x-google-backend: notify")
    assert "is answered by notify, which is not behind the gateway." in refusal(root)


def test_a_function_behind_the_gateway_without_an_operation(root: Path) -> None:
    text = (root / "openapi.yaml").read_text().replace("x-google-backend: insights", "x-google-backend: comps")
    (root / "openapi.yaml").write_text(text)
    assert refusal(root) == "functions/insights is behind the gateway and openapi.yaml has no operation for it."


def test_a_function_behind_the_gateway_without_a_backend(root: Path) -> None:
    change(root, "openapi.yaml", "    insights: {address", "    insight: {address")
    assert refusal(root) == "functions/insights is behind the gateway and openapi.yaml has no backend for it."


def test_a_migration_edited_after_it_was_applied(root: Path) -> None:
    change(root, "shared/database/migrations/0003_scans.sql", "CREATE", "-- a remark\nCREATE")
    said = "shared/database/migrations/0003_scans.sql was edited after it was applied: write a new migration."
    assert refusal(root) == said


def test_a_migration_gone_after_it_was_applied(root: Path) -> None:
    folder = root / "shared" / "database" / "migrations"
    (folder / "0003_scans.sql").rename(folder / "0003_other.sql")
    said = "shared/database/migrations/0003_scans.sql is sealed and gone: migrations only go forward."
    assert refusal(root) == said


def test_a_gap_in_the_migrations(root: Path) -> None:
    newest = max((root / "shared" / "database" / "migrations").glob("*.sql"))
    newest.rename(newest.with_name("0999_later.sql"))
    assert refusal(root) == "migration numbers in migrations/ are not 0001, 0002, 0003 …."


def test_sealing_holds_from_then_on(root: Path) -> None:
    newest = max((root / "shared" / "database" / "migrations").glob("*.sql"))
    assert newest.name in checks.migrations(root)
    checks.seal(root)
    assert checks.migrations(root) == []
    newest.write_text(newest.read_text() + "-- an afterthought\n")
    assert f"{newest.name} was edited after it was applied" in refusal(root)


def test_the_seals_are_what_sha256sum_writes() -> None:
    for line in (ROOT / checks.SEALED).read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((ROOT / "shared" / "database" / "migrations" / name).read_bytes()).hexdigest() == digest


def test_the_command_ends_with_one_and_shows_no_traceback(root: Path) -> None:
    (root / "functions" / "wallet" / "main.py").unlink()
    command = [sys.executable, "-m", "terraform.stage", "--root", str(root), "--into", str(root / "build")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "functions/wallet/main.py is missing.\n"
