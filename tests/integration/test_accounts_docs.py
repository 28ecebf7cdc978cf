"""What docs/accounts.md has people do works as it stands there."""

import re
from collections.abc import Callable

from pg8000.dbapi import Connection

from emulators.contract import ROOT
from shared import db
from tests import factories
from tests.client import FunctionClient

DOCUMENT = ROOT / "docs" / "accounts.md"


def test_who_is_locked_out_is_let_in_again_and_keys_are_retired(
    client: Callable[..., FunctionClient], sql: Connection
) -> None:
    somebody = factories.member()
    factories.second_factor(somebody)
    for _ in range(2):
        client().post("/v1/auth/login", {"email": "ada@example.com", "password": "Wrong-Guess-88!"})
    blocks = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    text = re.sub(r"--.*", "", "\n".join(blocks))
    statements = [statement.strip() for statement in text.split(";") if statement.strip()]
    assert len(statements) == 6
    for statement in statements:
        db.atomically(lambda tx, statement=statement: tx.run(statement, member_id=somebody.id, kid="none"))  # type: ignore[misc]
    left = "SELECT (SELECT count(*) FROM attempt_counters), (SELECT count(*) FROM second_factors)"
    assert sql.execute_simple(left).rows == [[1, 0]]  # what the network did is still counted
