"""The statements of docs/disaster.md work as they stand there."""

import pytest
from pg8000.dbapi import Connection

from tests import documents, factories

STATEMENTS = documents.statements("disaster.md")


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement[:40])
def test_it_can_be_run(sql: Connection, statement: str) -> None:
    factories.member()
    sql.execute_simple(statement)


def test_the_first_of_them_pauses_every_treasury(sql: Connection) -> None:
    assert STATEMENTS[0].startswith("UPDATE treasuries SET paused_at")
    sql.execute_simple(STATEMENTS[0])
    assert sql.execute_simple("SELECT name FROM treasuries").rows
    assert not sql.execute_simple("SELECT name FROM treasuries WHERE paused_at IS NULL").rows


def test_one_of_them_has_everybody_sign_in_again(sql: Connection) -> None:
    factories.member()
    (ending,) = [statement for statement in STATEMENTS if "'key compromised'" in statement]
    sql.execute_simple(ending)
    assert not sql.execute_simple("SELECT id FROM sessions WHERE ended_at IS NULL").rows
    assert sql.execute_simple("SELECT id FROM sessions").rows
