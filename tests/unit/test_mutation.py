"""The breaks that `make mutants SAMPLE=100` makes: of statements and of Python, and where they are looked for."""

from pathlib import Path
from typing import Any

import pytest

from emulators.contract import ROOT
from tests.mutation import judged, sql
from tests.mutation.__main__ import figures, remembered, sample
from tests.mutation.coverage import Coverage, Ran
from tests.mutation.hunt import Fate
from tests.mutation.place import Place, product, squeezed
from tests.mutation.python import places
from tests.mutation.recorder import name_of

PLACES_MIN = 4000


def broken(statement: str, kind: str) -> list[str]:
    return [
        squeezed(statement[: found.start] + found.new + statement[found.end :])
        for found in sql.breaks(statement)
        if found.kind == kind
    ]


SEVERAL = "SELECT 1 FROM t WHERE a = 1 AND b > 2"
EITHER = "SELECT 1 FROM t WHERE (a IS NULL OR b < 1) AND c"
ORDERED = "SELECT 1 FROM t ORDER BY a DESC, b LIMIT :n"
LOCKED = "SELECT 1 FROM t FOR NO KEY UPDATE OF t SKIP LOCKED"
NESTED = "SELECT max(a) FROM t WHERE NOT EXISTS (SELECT FROM u WHERE x)"
INSERT = "INSERT INTO t (a) VALUES (1)"

STATEMENTS = [
    (SEVERAL, "condition dropped", ["SELECT 1 FROM t WHERE b > 2", "SELECT 1 FROM t WHERE a = 1"]),
    ("UPDATE t SET a = 1 WHERE id = :id", "condition dropped", ["UPDATE t SET a = 1 WHERE true"]),
    ("DELETE FROM t WHERE a BETWEEN 1 AND 2 AND b", "condition dropped",
     ["DELETE FROM t WHERE b", "DELETE FROM t WHERE a BETWEEN 1 AND 2"]),
    (EITHER, "condition dropped",
     ["SELECT 1 FROM t WHERE c", "SELECT 1 FROM t WHERE (a IS NULL ) AND c",
      "SELECT 1 FROM t WHERE (a IS NULL OR b < 1)"]),
    (EITHER, "or", ["SELECT 1 FROM t WHERE (a IS NULL AND b < 1) AND c"]),
    (EITHER, "comparison", ["SELECT 1 FROM t WHERE (a IS NULL OR b <= 1) AND c"]),
    (EITHER, "null", ["SELECT 1 FROM t WHERE (a IS NOT NULL OR b < 1) AND c"]),
    (ORDERED, "order dropped", ["SELECT 1 FROM t LIMIT :n"]),
    (ORDERED, "order turned", ["SELECT 1 FROM t ORDER BY a ASC, b LIMIT :n"]),
    (ORDERED, "order shortened", ["SELECT 1 FROM t ORDER BY a DESC LIMIT :n"]),
    (ORDERED, "limit dropped", ["SELECT 1 FROM t ORDER BY a DESC, b"]),
    (LOCKED, "lock dropped", ["SELECT 1 FROM t"]),
    (LOCKED, "lock waits", ["SELECT 1 FROM t FOR NO KEY UPDATE OF t"]),
    (f"{INSERT} ON CONFLICT (a) DO NOTHING RETURNING a", "conflict refused", [f"{INSERT} RETURNING a"]),
    (f"{INSERT} ON CONFLICT (a) DO UPDATE SET b = t.b + 1 WHERE c RETURNING a", "conflict ignored",
     [f"{INSERT} ON CONFLICT (a) DO NOTHING RETURNING a"]),
    ("UPDATE t SET a = a + 1 WHERE b", "sum", ["UPDATE t SET a = a - 1 WHERE b"]),
    (NESTED, "value", ["SELECT min(a) FROM t WHERE NOT EXISTS (SELECT FROM u WHERE x)"]),
    (NESTED, "negation", ["SELECT max(a) FROM t WHERE EXISTS (SELECT FROM u WHERE x)"]),
    (NESTED, "condition dropped",
     ["SELECT max(a) FROM t WHERE true", "SELECT max(a) FROM t WHERE NOT EXISTS (SELECT FROM u WHERE true)"]),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "kind", "expected"), STATEMENTS)
def test_a_statement_is_broken(statement: str, kind: str, expected: list[str]) -> None:
    assert broken(statement, kind) == expected


def test_an_assignment_is_no_comparison_and_a_comment_no_condition() -> None:
    statement = "UPDATE t SET a = 1  -- AND nothing = else\nFROM u JOIN v ON true"
    assert [found.kind for found in sql.breaks(statement)] == ["value"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return a < b", ["return a <= b"]),
        ("return a is not None", ["return a is None"]),
        ("return x not in y", ["return x in y"]),
        ("return a and b", ["return a or b"]),
        ("return not a", ["return a"]),
        ("return True", ["return False"]),
        ("return a - b", ["return a + b"]),
        ("return 64 * 1024 * 1024", []),
        ("return max(a, b)", ["return min(a, b)"]),
        ("return a if b else c", ["return a if not (b) else c"]),
        ("return [a for a in b if a.ok]", ["return [a for a in b if not (a.ok)]"]),
        ("return sorted(a, key=lambda it: -it.b)", ["return sorted(a, key=lambda it: it.b)"]),
        ("assert a < b", []),
        ("log.info('x', a=b < c)", []),
        ("return 'ü' < a", ["return 'ü' <= a"]),
        ("return f'SELECT {a} WHERE b = 1'", []),
    ],
)
def test_a_line_is_broken(line: str, expected: list[str]) -> None:
    text = f"def work(a, b, c, x, y):\n    {line}\n"
    assert [place.shown(text)[1] for place in places("a.py", text)] == expected


def test_a_place_knows_its_function() -> None:
    text = "A = 1 < 2\nclass B:\n    def c(self):\n        def d():\n            return 1 < 2\n        return 3 < 4\n"
    assert [place.function for place in places("a.py", text)] == ["", "B.c.<locals>.d", "B.c"]
    table = "T: Mapping[str, LiteralString] = {'a': 'DELETE FROM t WHERE b', 'c': 'DELETE FROM t WHERE d'}\n"
    assert [place.function for place in places("a.py", table)] == ["T[a]", "T[c]"]
    assert name_of("B.c.<locals>.d.<locals>.<lambda>") == "B.c.<locals>.d"
    assert name_of("<module>") == "<module>"


def test_there_are_thousands_of_places_in_the_product() -> None:
    known = [place for path in product(ROOT) for place in places(str(path.relative_to(ROOT)), path.read_text())]
    assert len(known) >= PLACES_MIN
    assert len(set(known)) == len(known)


def test_what_was_judged_to_break_nothing_is_still_there() -> None:
    """A changed line has to be judged again."""
    there = set()
    for path in {it.path for it in judged.judged().values()}:
        text = (ROOT / path).read_text()
        there |= {(path, place.function, *place.shown(text)) for place in places(path, text)}
    assert set(judged.judged()) <= there


def test_a_break_of_earlier_figures_is_found_again_unless_its_line_has_changed(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    file = tmp_path / "shared" / "a.py"
    file.write_text("def f(a, b):\n    if a < 1:\n        return b > 2\n")
    first = {mutant: Fate("", 3, 1.5) for mutant in sample(tmp_path, 100, 1)}
    rows: Any = figures(first, 1)["mutants"]

    assert remembered(tmp_path, rows) == first

    file.write_text("\n\n" + file.read_text().replace("a < 1", "a < 3"))
    left = [mutant.before for mutant in remembered(tmp_path, rows)]
    assert left == [mutant.before for mutant in first if "b" in mutant.before]
    assert remembered(tmp_path, [row | {"path": "shared/gone.py"} for row in rows]) == {}


def test_tests_are_chosen_by_what_they_run_the_quick_and_special_ones_first(tmp_path: Path) -> None:
    wide = Ran("tests/a.py::test_wide", 1.0, frozenset({"shared/x.py::f", *(f"shared/y.py::{n}" for n in range(200))}))
    quick = Ran("tests/a.py::test_quick", 0.1, frozenset({"shared/x.py::f"}))
    other = Ran("tests/a.py::test_other", 0.1, frozenset({"shared/x.py::g"}))
    known = Coverage(tmp_path / "c.json", {}, {it.name: it for it in (wide, quick, other)})
    known.save()
    loaded = Coverage.load(tmp_path / "c.json")
    place = Place("shared/x.py", 0, 1, "", "kind", "f")
    assert loaded.chosen(place, 10.0) == [quick, wide]
    assert loaded.chosen(place, 10.0, {quick.name}) == [wide]
    for whole_file in ("", "TABLE[name]"):
        anywhere = Place("shared/x.py", 0, 1, "", "kind", whole_file)
        assert {it.name for it in loaded.chosen(anywhere, 10.0)} == set(known.tests)


def test_a_test_that_takes_much_of_the_time_leaves_it_to_the_others(tmp_path: Path) -> None:
    runs = {"tests/a.py::test_slow": 6.0, **{f"tests/b.py::test_{number}": 2.0 for number in range(4)}}
    special = frozenset({"shared/x.py::f", "shared/x.py::g"})
    ran = [Ran(name, took, special if took > 2 else frozenset({"shared/x.py::f"})) for name, took in runs.items()]
    known = Coverage(tmp_path / "c.json", {}, {it.name: it for it in ran})
    place = Place("shared/x.py", 0, 1, "", "kind", "f")
    assert [it.seconds for it in known.chosen(place, 9.0)] == [2.0] * 4
    assert [it.seconds for it in known.chosen(place, 24.0)] == [6.0] + [2.0] * 4
