"""Every function is what its folder says: door, description, requirements, direction of imports."""

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from emulators import contract
from emulators.bench import calls
from shared.events import Event, Task
from terraform import imports
from tests import statements
from tests.statements import Statement

FUNCTIONS = sorted(contract.functions())
# What rules may import of `shared`: all of `shared.values`, and these.
PURE_SHARED = frozenset(
    {
        "codes.codes",
        "codes.files",
        "members.accounts",
        "messages.texts",
        "orders.refusals",
        "orders.sums",
        "payouts.policy",
        "payouts.states",
        "scans.histogram",
        "social.emojis",
        "social.media",
        "social.mentions",
        "social.text",
        "social.votes",
    }
)
PURE_MODULES = ("rules.py",)
IO_MODULES = frozenset({"db", "ports", "events", "api", "job", "log", "auth", "http", "settings"})
HEAVY = ("web3", "eth_account", "google", "grpc", "requests", "httpx", "argon2", "PIL")
JOBS = [name for name, function in contract.functions().items() if not function.is_http]

PARAMETER = re.compile(r"\{[^}]*\}")  # of a path
FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 70
STATEMENTS_MIN = 600

each_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_every_folder_is_a_function() -> None:
    folders = {path.name for path in contract.FUNCTIONS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(FUNCTIONS)


@each_function
def test_the_door_is_a_plain_function_named_as_the_folder(function: str) -> None:
    door = getattr(importlib.import_module(f"functions.{function}.main"), function)
    assert door.__module__ == f"functions.{function}.main"
    assert list(door.__annotations__) == ["request", "return"]


@each_function
def test_it_imports_with_an_empty_environment(function: str) -> None:
    done = imported(function)
    assert done.returncode == 0, done.stderr


@each_function
def test_nothing_slow_is_imported_before_it_is_used(function: str) -> None:
    assert imported(function).stdout.strip() == "[]"


@cache
def imported(function: str) -> subprocess.CompletedProcess[str]:
    """Import a function in a process with an empty environment, which prints the heavy modules that it has then."""
    code = (
        f"import functions.{function}.main, sys; "
        f"print([name for name, module in sys.modules.items() "
        f"if name.partition('.')[0] in {HEAVY!r} and getattr(module, '__file__', None)])"
    )
    environment = {"PYTHONPATH": str(contract.ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@each_function
def test_requirements_are_exactly_what_it_imports(function: str) -> None:
    text = (contract.FUNCTIONS / function / "requirements.txt").read_text()
    assert text == imports.requirements(function), "python -m terraform.imports --write"


def test_http_functions_that_do_not_speak_to_the_chain_do_not_need_web3() -> None:
    needing = {name for name in FUNCTIONS if "web3" in imports.closure(name).distributions}
    assert needing == {"payout_send", "payout_confirm", "payout_recover", "platform_watch", "withdrawal_confirm"}


def test_every_requirement_is_pinned_once_with_hashes() -> None:
    pinned = re.findall(
        r"^([a-z0-9-]+)(?:\[[a-z]+\])?==", (contract.FUNCTIONS / "constraints.txt").read_text(), re.MULTILINE
    )
    assert len(pinned) == len(set(pinned))
    needed = {name.partition("[")[0] for function in FUNCTIONS for name in imports.closure(function).distributions}
    assert needed <= set(pinned)


def test_functions_do_not_import_each_other() -> None:
    for function in FUNCTIONS:
        for path in (contract.FUNCTIONS / function).glob("*.py"):
            others = [name for name in imports.imported(path) if name.startswith("functions.")]
            assert all(name.split(".")[1] == function for name in others), path


def test_shared_does_not_import_functions_and_only_ports_import_vendors() -> None:
    vendors = {"google", "grpc", "web3", "eth_account", "eth_utils", "eth_keys", "requests", "httpx"}
    allowed = {"db.py": {"google"}}  # the Cloud SQL connector is the database's own driver
    for path in sorted((contract.ROOT / "shared").rglob("*.py")):
        tops = {name.partition(".")[0] for name in imports.imported(path)}
        assert "functions" not in tops, path
        if "ports" not in path.parts:
            assert not (tops & vendors) - allowed.get(path.name, set()), path


def test_ports_know_nothing_of_the_nouns_above_them() -> None:
    for path in sorted((contract.ROOT / "shared" / "ports").rglob("*.py")):
        ours = {name.split(".")[1] for name in imports.imported(path) if name.startswith("shared.")}
        assert ours <= {"config", "ports", "values"}, path


def test_values_import_nothing_of_ours_but_values() -> None:
    for path in sorted((contract.ROOT / "shared" / "values").glob("*.py")):
        ours = [name for name in imports.imported(path) if name.split(".")[0] in ("functions", "shared")]
        assert all(name.startswith("shared.values.") for name in ours), path


def test_rules_and_values_do_no_input_or_output() -> None:
    pure = [*contract.FUNCTIONS.glob("*/rules.py"), *(contract.ROOT / "shared" / "values").glob("*.py")]
    for path in pure:
        for name in imports.imported(path):
            parts = name.split(".")
            if parts[0] == "shared":
                assert parts[1] == "values" or ".".join(parts[1:3]) in PURE_SHARED, f"{path} imports {name}"
            elif parts[0] == "functions":
                assert parts[2] == "rules", f"{path} imports {name}"
            else:
                assert parts[0] not in {"os", "socket", "subprocess", "time", "random", "secrets"}, f"{path}: {name}"


@pytest.mark.parametrize("function", JOBS)
def test_a_job_receives_what_its_function_yaml_says(function: str) -> None:
    job = importlib.import_module(f"functions.{function}.main").job
    said = contract.functions()[function]
    assert set(job.events) == set(said.topics)
    assert set(job.schedules) == {schedule.name for schedule in said.schedules} | set(said.on_deploy)
    queues = {queue.name for queue in said.queues}
    assert all(any(name == queue or name.startswith(f"{queue}-") for queue in job.tasks) for name in queues)
    assert all(any(name == queue or name.startswith(f"{queue}-") for name in queues) for queue in job.tasks)


@each_function
def test_an_api_that_several_modules_share_has_no_operations_in_main(function: str) -> None:
    """functions-framework runs main.py a second time under another name: its operations would be registered twice."""
    if (contract.FUNCTIONS / function / "common.py").exists():
        assert "@api." not in (contract.FUNCTIONS / function / "main.py").read_text(encoding="utf-8")


def test_every_event_and_task_has_a_receiver() -> None:
    received = {topic for function in contract.functions().values() for topic in function.topics}
    assert {kind.topic for kind in Event.__subclasses__()} == received
    for task in Task.__subclasses__():
        names = [queue.name for queue in contract.functions()[task.function].queues]
        assert any(name == task.queue or name.startswith(f"{task.queue}-") for name in names)


def test_all_sql_is_literal() -> None:
    """No f-string, no concatenation, no variable where a statement is expected; what stands in a table is a text."""
    assert len({statement.text for statement in statements.of_product()}) >= STATEMENTS_MIN


TABLE = "A: Mapping[str, LiteralString] = {'a': 'SELECT 1'}\n"
MADE = {
    "an f-string": "def f(tx, a): tx.run(f'SELECT {a}')",
    "a sum of texts": "def f(tx): tx.all(Row, 'SELECT ' + '1')",
    "a variable": "def f(tx, sql): tx.column(int, sql)",
    "a constant with a name": "SQL: LiteralString = 'SELECT 1'\ndef f(tx): tx.run_later(SQL)",
    "a text of another module": "def f(tx, a): tx.run(store.A[a])",
    "a text out of a call": "def f(tx, a): tx.run(A.get(a))",
    "a call outside of functions": "tx.run(sql)",
    "a table with an f-string": "A: Mapping[str, LiteralString] = {'a': f'SELECT {b}'}",
    "a table with a sum of texts": "A: Mapping[str, LiteralString] = {'a': 'SELECT ' + b}",
    "a table with a name that is computed": "A: Mapping[str, LiteralString] = {b: 'SELECT 1'}",
    "a table with another one in it": "A: Mapping[str, LiteralString] = {**B}",
    "a table that is computed": "A: Mapping[str, LiteralString] = dict(a=b)\ndef f(tx, a): tx.run(A[a])",
    "a table that can be changed": "A: dict[str, LiteralString] = {'a': 'SELECT 1'}\ndef f(tx, a): tx.run(A[a])",
    "a table of any texts": "A = {'a': 'SELECT 1'}\ndef f(tx, a): tx.run(A[a])",
    "a table that is replaced": TABLE + "A = B\ndef f(tx, a): tx.run(A[a])",
    "a table that is replaced for a while": TABLE + "def f(tx, a):\n    A = g()\n    tx.run(A[a])",
    "a table that a caller gives": TABLE + "def f(tx, a, A): tx.run(A[a])",
    "a table of one's own in a function": "def f(tx, a):\n    " + TABLE + "    tx.run(A[a])",
}


@pytest.mark.parametrize("text", MADE.values(), ids=MADE)
def test_a_statement_that_is_made_is_found(text: str) -> None:
    with pytest.raises(statements.NotConstant):
        list(statements.read("store", text))


def test_statements_are_found_where_they_are_run_and_in_tables() -> None:
    text = TABLE + "def f(tx, a):\n    tx.run(A[a])\n    def g(): return tx.all(Row, 'SELECT 2')"
    assert list(statements.read("store", text)) == [
        Statement("store.A[a]", "SELECT 1"),
        Statement("store.g", "SELECT 2"),
    ]


def test_sql_lives_in_stores_and_nouns() -> None:
    for path in contract.FUNCTIONS.rglob("*.py"):
        if not path.name.endswith(("store.py", "records.py")):  # a store that has grown keeps what it writes apart
            assert not re.search(
                r"\btx\.(all|first|one|scalar|scalar_or_none|column|run|run_later)\(", path.read_text()
            ), path


def test_files_and_functions_stay_readable() -> None:
    too_long = []
    for path in _sources():
        lines = path.read_text().splitlines()
        if len(lines) > FILE_LINES_MAX:
            too_long.append(f"{path.relative_to(contract.ROOT)}: {len(lines)} lines")
        too_long += [
            f"{path.relative_to(contract.ROOT)}:{node.lineno} {node.name}"
            for node in ast.walk(ast.parse("\n".join(lines)))
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
        ]
    assert too_long == []


def _sources() -> list[Path]:
    return [
        path
        for folder in ("functions", "shared", "emulators", "terraform", "tests")
        for path in (contract.ROOT / folder).rglob("*.py")
    ]


def test_the_benchmark_can_call_every_job() -> None:
    for function in contract.functions().values():
        callable_ = function.is_http or function.schedules or function.on_deploy or function.name in calls.DELIVERIES
        assert callable_, f"emulators/bench/calls.py has no delivery for {function.name}"


def test_the_benchmark_can_call_every_function_behind_the_gateway() -> None:
    """By an operation of its own; `{caller}` in a path is the id of who calls."""
    served = {(each.function, each.method, each.template) for each in contract.operations()}
    for function in contract.functions().values():
        if function.gateway:
            method, path, _ = calls.request_of(function)
            own = {template for name, verb, template in served if (name, verb) == (function.name, method)}
            assert any(re.fullmatch(PARAMETER.sub("[^/]+", each), path) for each in own), f"{method} {path}"


def test_the_benchmark_calls_nothing_that_is_not_there() -> None:
    assert {*calls.CHEAPEST, *calls.ONCE, *calls.DELIVERIES} <= contract.functions().keys()
