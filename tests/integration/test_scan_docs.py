"""What docs/scans.md has people ask works as it stands there."""

import re
from collections.abc import Callable

from emulators.contract import ROOT
from shared import db
from tests import factories
from tests.client import FunctionClient

DOCUMENT = ROOT / "docs" / "scans.md"


def test_every_question_can_be_asked(client: Callable[..., FunctionClient]) -> None:
    (code,) = factories.manufactured_codes(1)
    assert client(factories.member().token).post("/v1/scans/submit", {"code": code}).status == 201
    (block,) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    statements = [statement.strip() for statement in re.sub(r"--.*", "", block).split(";") if statement.strip()]
    assert len(statements) == 4
    for statement in statements:
        db.atomically(lambda tx, statement=statement: tx.run(statement, number=0))  # type: ignore[misc]
