"""A plugin of tests gives its fixtures to every test that is collected after it, wherever that test is."""

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]


def fixtures(plugin: Path) -> list[str]:
    """Return the names of the fixtures that the module defines."""
    functions = (node for node in ast.parse(plugin.read_text()).body if isinstance(node, ast.FunctionDef))
    return [
        function.name
        for function in functions
        if any(ast.unparse(decorator).startswith("pytest.fixture") for decorator in function.decorator_list)
    ]


def test_two_plugins_give_no_fixture_of_the_same_name() -> None:
    plugins = sorted(TESTS.rglob("*_plugin.py"))
    names = Counter(name for plugin in plugins for name in fixtures(plugin))
    assert {"payout_driver", "two_nodes", "vendors"} <= names.keys()
    assert [name for name, times in names.items() if times > 1] == []
