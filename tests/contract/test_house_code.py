"""The house's own rules for code, which no general linter knows. docs/house.md says what each is for.

A rule is a function: given modules by their paths, it names what breaks it. EXCEPTIONS says what may, and why.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import pytest

from emulators.contract import ROOT

Modules = Mapping[str, ast.Module]
Rule = Callable[[Modules], set[str]]

POSITIONAL_MAX = 5
QUERIES = frozenset({"all", "first", "one"})
IO_MODULES = frozenset(
    {"asyncio", "flask", "http", "httpx", "os", "pathlib", "random", "requests", "secrets", "socket", "subprocess"}
    | {"tempfile", "threading", "time", "urllib", "web3"}
)
IO_OF_SHARED = frozenset(
    {"api", "audit", "auth", "clock", "db", "events", "feed", "job", "ledger", "log", "mails", "notifications", "ports"}
    | {"session", "settings", "sweep", "vault", "work"}
)
ROOMS_WITH_IO = frozenset({"main", "store", "records"})
STATE = re.compile(r"(.*_)?(state|status)")

OWN_LIMIT = "each has a limit of its own; that the two agree today means nothing"
LITERAL = "the state is a Literal: mypy refuses a text that it does not have"
EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "constant_defined_twice": {
        "ANSWER_SECONDS_MAX": OWN_LIMIT,
        "ATTEMPTS_MAX": OWN_LIMIT,
        "BULK_MAX": OWN_LIMIT,
        "CALL_SECONDS_MAX": OWN_LIMIT,
        "CLAIM_LIFE": OWN_LIMIT,
        "CONNECT_SECONDS_MAX": OWN_LIMIT,
        "HOUR": "an hour is an hour",
        "LINK_LIFE": OWN_LIMIT,
        "LOCK_TIMEOUT": OWN_LIMIT,
        "PURGED_MAX": OWN_LIMIT,
        "SIGN_SECONDS_MAX": OWN_LIMIT,
        "SWEPT_MAX": OWN_LIMIT,
        "NEGLECTED_AFTER": OWN_LIMIT,
        "RETRY_AFTER_SECONDS": OWN_LIMIT,
        "DIGITS": "mailed codes and authenticator codes are two things that both have six digits",
    },
    "class_name_twice": {},
    "row_of_one_field": {
        "functions/member_erase/store.py Erasure": "no row, and a row that is not finished, are two answers",
        "functions/wallet/store.py Linked": "no row, and a wallet that does not rest, are two answers",
    },
    "too_many_positional": {"shared/ports/pubsub.py if_exception_type": "any number of exceptions, all alike"},
    "state_as_text": {
        "functions/profile/main.py found.status == 'ready'": LITERAL,
        "functions/admin_codes/rules.py state != 'scanned'": LITERAL,
        "functions/admin_codes/rules.py state == 'invalidated'": LITERAL,
        "functions/admin_codes/rules.py state in ('generated', 'manufactured')": LITERAL,
        "functions/admin_social/cases.py page.state == 'open'": LITERAL,
        "functions/admin_treasury/card_payments.py page.state == 'open'": LITERAL,
        "functions/admin_treasury/comparisons.py page.state == 'open'": LITERAL,
    },
    "pure_with_io": {},
}


def constant_defined_twice(modules: Modules) -> set[str]:
    """Constants of one name and value in two modules: whoever changes one forgets the other."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path, tree in modules.items():
        for name, value in _constants(tree):
            if not ast.unparse(value).startswith(("TypeVar(", "ParamSpec(")):
                found[name, ast.dump(value)].add(path)
    return {name for (name, _), paths in found.items() if len(paths) > 1}


def class_name_twice(modules: Modules) -> set[str]:
    """Names that two classes of shared have."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in modules.items():
        if path.startswith("shared/"):
            for cls in _classes(tree):
                found[cls.name].add(path)
    return {name for name, paths in found.items() if len(paths) > 1}


def row_of_one_field(modules: Modules) -> set[str]:
    """Dataclasses of one field that are private, or a query's row: tx.scalar and tx.column give the value itself."""
    return {
        f"{path} {cls.name}"
        for path, tree in modules.items()
        for cls in _classes(tree)
        if _is_dataclass(cls)
        and sum(isinstance(part, ast.AnnAssign) for part in cls.body) == 1
        and (cls.name.startswith("_") or cls.name in _rows(tree))
    }


def too_many_positional(modules: Modules) -> set[str]:
    """Calls with more than five positional arguments. The work that a transaction is given is not one of them."""
    return {
        f"{path} {_last(ast.unparse(call.func))}"
        for path, tree in modules.items()
        for call in _calls(tree)
        if len(call.args) - (_last(ast.unparse(call.func)) == "atomically") > POSITIONAL_MAX
    }


def state_as_text(modules: Modules) -> set[str]:
    """Comparisons of a state or status with a text: a slip in it is never equal, and nobody is told."""
    return {
        f"{path} {ast.unparse(node)}"
        for path, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(STATE.fullmatch(_last(ast.unparse(side))) for side in (node.left, *node.comparators))
        and any(map(_is_text, (node.left, *node.comparators)))
    }


def pure_with_io(modules: Modules) -> set[str]:
    """Modules that call themselves pure and import what reads or writes the world outside."""
    return {
        f"{path} {name}"
        for path, tree in modules.items()
        if re.search(r"\bpure\b", ast.get_docstring(tree) or "", re.IGNORECASE)
        for name in _imports(tree)
        if _does_io(name, modules)
    }


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        constant_defined_twice,
        class_name_twice,
        row_of_one_field,
        too_many_positional,
        state_as_text,
        pure_with_io,
    )
}
# What each rule must find, and what it must let pass.
BROKEN: Mapping[str, tuple[Mapping[str, str], set[str]]] = {
    "constant_defined_twice": (
        {"shared/a.py": "LIMIT = 5\nOTHER = 6\nT = TypeVar('T')", "functions/b/main.py": "LIMIT = 5\nT = TypeVar('T')"},
        {"LIMIT"},
    ),
    "class_name_twice": (
        {
            "shared/a.py": "class A: ...\nclass B: ...",
            "shared/b.py": "class A: ...",
            "functions/f/b.py": "class B: ...",
        },
        {"A"},
    ),
    "row_of_one_field": (
        {
            "shared/a.py": "@dataclass\nclass _A:\n    a: int\n@dataclass\nclass B:\n    b: int\n@dataclass\nclass C:\n"
            "    c: int\n@dataclass\nclass _D:\n    d: int\n    e: int\ndef b(tx): return tx.one(B, 'SELECT 1 AS b')"
        },
        {"shared/a.py _A", "shared/a.py B"},
    ),
    "too_many_positional": (
        {
            "shared/a.py": "f(1, 2, 3, 4, 5)\ng.h(1, 2, 3, 4, 5, 6)\ndb.atomically(f, 1, 2, 3, 4, 5)\n"
            "f(1, 2, 3, 4, 5, b=6)"
        },
        {"shared/a.py h"},
    ),
    "state_as_text": (
        {
            "shared/a.py": "x.state == 'PAID'\nx.status in ('a', 'b')\n'open' != member_status\nx.state is State.PAID\n"
            "x.kind == 'PAY'\nx.status == other.status"
        },
        {
            "shared/a.py x.state == 'PAID'",
            "shared/a.py x.status in ('a', 'b')",
            "shared/a.py 'open' != member_status",
        },
    ),
    "pure_with_io": (
        {
            "shared/a.py": "'''What is decided. Pure.'''\nimport os\nfrom shared.db import Tx\n"
            "from shared import money, db",
            "shared/b.py": "'''Reads.'''\nimport os",
            "shared/c.py": "'''Pure.'''\nfrom shared import b\nfrom shared.d import x\nfrom shared.e import y",
            "shared/d.py": "x = 1",
            "functions/f/rules.py": "'''Pure.'''\nfrom functions.f import store\nfrom shared.ports.chain import Fees",
        },
        {
            "shared/a.py os",
            "shared/c.py shared.b",
            "shared/a.py shared.db.Tx",
            "shared/a.py shared.db",
            "functions/f/rules.py functions.f.store",
            "functions/f/rules.py shared.ports.chain.Fees",
        },
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    assert rule(_product()) - set(EXCEPTIONS[rule.__name__]) == set(), rule.__doc__


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_exception_is_left_over(rule: Rule) -> None:
    assert set(EXCEPTIONS[rule.__name__]) <= rule(_product())


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_rule_finds_what_breaks_it_and_nothing_else(rule: Rule) -> None:
    texts, broken = BROKEN[rule.__name__]
    assert rule({path: ast.parse(text) for path, text in texts.items()}) == broken


def test_every_rule_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "house.md").read_text()
    assert [name for name in RULES if f"`{name}`" not in text] == []


@cache
def _product() -> Modules:
    paths = [path for folder in ("functions", "shared") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in paths}


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id.isupper():
                yield target.id, node.value


def _classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _is_dataclass(cls: ast.ClassDef) -> bool:
    return any(ast.unparse(decorator).startswith("dataclass") for decorator in cls.decorator_list)


def _rows(tree: ast.AST) -> set[str]:
    """The names of the classes that queries of a module make rows of."""
    return {
        ast.unparse(call.args[0])
        for call in _calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in QUERIES and call.args
    }


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(_is_text, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _does_io(name: str, modules: Modules, seen: frozenset[str] = frozenset()) -> bool:
    """Whether what is imported under this name reads or writes the world outside, itself or by what it imports."""
    parts = name.split(".")
    if parts[0] not in ("functions", "shared"):
        return parts[0] in IO_MODULES
    in_shared = parts[0] == "shared" and parts[1] != "values"  # a module of values is judged by what it imports
    if (in_shared and IO_OF_SHARED & set(parts)) or parts[-1] in ROOMS_WITH_IO or parts[-2] in ROOMS_WITH_IO:
        return True
    path = next((path for length in (len(parts), len(parts) - 1) if (path := _path(parts[:length])) in modules), None)
    if path is None or path in seen:
        return False
    return any(_does_io(inner, modules, seen | {path}) for inner in _imports(modules[path]))


def _path(parts: list[str]) -> str:
    return "/".join(parts) + ".py"


def _last(dotted: str) -> str:
    return dotted.rsplit(".", 1)[-1]
