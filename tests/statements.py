"""The SQL statements of the product, read out of its code. Each is constant, so that people and tests can read it.

A statement stands where it is run, or in a table of statements: a mapping of the same module, whose type says
TABLE_TYPE, from names to texts; `tx.run(TABLE[name], …)` runs them.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emulators.contract import ROOT

QUERIES = frozenset({"all", "first", "one", "scalar", "scalar_or_none", "column", "run", "run_later"})
TABLE_TYPE = "Mapping[str, LiteralString]"


@dataclass(frozen=True)
class Statement:
    """An SQL text, and the function that runs it or its place in a table: `module.function`, `module.TABLE[name]`."""

    where: str
    text: str


class NotConstant(Exception):
    """Raised for a statement that is made while the program runs; the message says where."""


def of_product() -> Iterator[Statement]:
    """Each statement of the code that runs in production."""
    for path in sorted([*(ROOT / "functions").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]):
        yield from read(".".join(path.relative_to(ROOT).with_suffix("").parts), path.read_text())


def read(module: str, text: str) -> Iterator[Statement]:
    """Each statement of a module. Raises NotConstant."""
    tree = ast.parse(text)
    tables = {name: table for name, table in tables_of(tree).items() if _assigned(tree, name) == 1}
    for name, table in tables.items():
        for key, value in zip(table.keys, table.values, strict=True):
            key_text, sql_text = _text_of(key), _text_of(value)
            if key_text is None or sql_text is None:
                raise NotConstant(f"{module}:{value.lineno} in {name}")
            yield Statement(f"{module}.{name}[{key_text}]", sql_text)
    for function, call in _queries(tree, "<module>"):
        sql = call.args[0 if str(getattr(call.func, "attr", "")).startswith("run") else 1]
        if (sql_text := _text_of(sql)) is not None:
            yield Statement(f"{module}.{function}", sql_text)
        elif not (isinstance(sql, ast.Subscript) and isinstance(sql.value, ast.Name) and sql.value.id in tables):
            raise NotConstant(f"{module}:{call.lineno} in {function}")


def tables_of(tree: ast.Module) -> Mapping[str, ast.Dict]:
    """The tables of statements of a module, by their names."""
    return {
        node.target.id: node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Dict)
        and ast.unparse(node.annotation) == TABLE_TYPE
    }


def _assigned(tree: ast.Module, name: str) -> int:
    """How often a module gives something this name, in any of its functions too."""
    return sum(
        (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.arg) and node.arg == name)
        or (isinstance(node, ast.alias) and (node.asname or node.name) == name)
        for node in ast.walk(tree)
    )


def _queries(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    """The calls that run statements, each with the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Attribute)
            and child.func.attr in QUERIES
            and isinstance(child.func.value, ast.Name)
            and child.func.value.id == "tx"
        ):
            yield function, child
        yield from _queries(child, child.name if isinstance(child, ast.FunctionDef) else function)


def _text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
