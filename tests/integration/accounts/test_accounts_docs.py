"""The statements of docs/accounts.md work as they stand there."""

from collections.abc import Callable

from pg8000.dbapi import Connection

from tests import documents, factories
from tests.client import FunctionClient


def test_who_is_locked_out_is_let_in_again_and_keys_are_retired(
    client: Callable[..., FunctionClient], sql: Connection
) -> None:
    somebody = factories.member()
    factories.second_factor(somebody)
    for _ in range(2):
        client().post("/v1/auth/login", {"email": "ada@example.com", "password": "Wrong-Guess-88!"})
    statements = documents.statements("accounts.md")
    assert len(statements) == 6
    for statement in statements:
        documents.run(statement, member_id=somebody.id, kid="none")
    left = "SELECT (SELECT count(*) FROM attempt_counters), (SELECT count(*) FROM second_factors)"
    assert sql.execute_simple(left).rows == [[1, 0]]  # what the network did is still counted
