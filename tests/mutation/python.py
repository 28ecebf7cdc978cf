"""Finds what can be broken in a function: comparisons, connectives, negations, branches, sums, extremes, answers."""

import ast
import re
from dataclasses import dataclass, field

from tests.mutation import sql
from tests.mutation.place import Place
from tests.statements import TABLE_TYPE

COMPARED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"), ast.Is: (r"is", "is not"), ast.IsNot: (r"is\s+not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}  # fmt: skip
SUMS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: (r"\+", "-"), ast.Sub: ("-", "+"), ast.Mult: (r"\*", "+"), ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "+"),
}  # fmt: skip
QUOTES = re.compile(r"\w*(\"\"\"|\'\'\'|\"|\')")
EXTREMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
SILENT = ("log",)  # modules whose calls decide nothing


@dataclass
class Reader(ast.NodeVisitor):
    """Collects the places of one file; `places` then drops those that no longer compile."""

    path: str
    text: str
    found: list[Place] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)

    def read(self) -> list[Place]:
        position = 0
        for line in self.text.splitlines(keepends=True):
            self._lines.append(position)
            position += len(line)
        self.visit(ast.parse(self.text))
        return self.found

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._names.append(node.name)
        for statement in node.body:  # no decorators, defaults or annotations
            self.visit(statement)
        self._names.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(f"{node.name}.")
        for statement in node.body:
            self.visit(statement)
        self._names.pop()

    def visit_Assert(self, node: ast.Assert) -> None:
        """Skip assertions, which are always true."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Name the places in a table of statements by its entries."""
        if isinstance(node.value, ast.Dict) and ast.unparse(node.annotation) == TABLE_TYPE:
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                assert key is not None, "a table of statements has no other table in it"
                self._names.append(f"{ast.unparse(node.target)}[{ast.literal_eval(key)}]")
                self.visit(value)
                self._names.pop()
        elif node.value:
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if not is_text:  # a docstring may contain SELECT
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in SILENT:
            return
        if isinstance(called, ast.Name) and called.id in EXTREMES:
            self._add("extreme", called, EXTREMES[called.id])
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        left: ast.expr = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            self._between("comparison", left, right, *COMPARED[type(operator)])
            left = right
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between("connective", left, right, old, new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not) or (
            isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant)
        ):
            start = self._start(node)
            self.found.append(self._place("negation", start, self._start(node.operand), ""))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = any(
            isinstance(side, ast.JoinedStr | ast.List | ast.Tuple)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
            for side in (node.left, node.right)
        )
        is_constant = all(isinstance(it, ast.Constant | ast.BinOp | ast.operator) for it in ast.walk(node))
        if type(node.op) in SUMS and not texts and not is_constant:
            self._between("sum", node.left, node.right, *SUMS[type(node.op)])
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._negate(test)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool):
            self._add("answer", node.value, str(not node.value.value))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and sql.is_statement(node.value):
            start, end = self._start(node), self._end(node)
            quotes = QUOTES.match(self.text, start)
            assert quotes, "a text begins with its quotes"
            start, end = quotes.end(), end - len(quotes.group(1))
            for found in sql.breaks(self.text[start:end]):
                self.found.append(self._place(f"sql {found.kind}", start + found.start, start + found.end, found.new))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Skip f-strings: Python 3.11 does not tell positions inside them."""

    def _negate(self, test: ast.expr) -> None:
        """Negate a condition that has no operator of its own to be turned."""
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.NamedExpr | ast.Constant):
            self._add("branch", test, f"not ({self.text[self._start(test) : self._end(test)]})")

    def _add(self, kind: str, node: ast.expr, new: str) -> None:
        self.found.append(self._place(kind, self._start(node), self._end(node), new))

    def _between(self, kind: str, left: ast.expr, right: ast.expr, old: str, new: str) -> None:
        start = self._end(left)
        match = re.search(old, self.text[start : self._start(right)])
        assert match, "an operator stands between what it connects"
        self.found.append(self._place(kind, start + match.start(), start + match.end(), new))

    def _place(self, kind: str, start: int, end: int, new: str) -> Place:
        return Place(self.path, start, end, new, kind, self._function())

    def _function(self) -> str:
        """The name as `co_qualname` has it: Class.method, function.<locals>.inner; TABLE[name] in a table."""
        name = ""
        for part in self._names:
            name += part if not name or name.endswith(".") else f".<locals>.{part}"
        return "" if name.endswith(".") else name

    def _start(self, node: ast.expr) -> int:
        return self._position(node.lineno, node.col_offset)

    def _end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._position(node.end_lineno, node.end_col_offset)

    def _position(self, line: int, column: int) -> int:
        """The position of a line and column; columns are counted in bytes of UTF-8."""
        start = self._lines[line - 1]
        text = self.text[start:].partition("\n")[0]
        return start + len(text.encode()[:column].decode())


def places(path: str, text: str) -> list[Place]:
    """All places of a file, without breaks that leave the text unchanged or do not compile."""
    found = sorted(set(Reader(path, text).read()))
    return [place for place in found if _compiles(place.broken(text), path)]


def _compiles(text: str, path: str) -> bool:
    try:
        compile(text, path, "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True
