"""The questions of docs/scans.md work as they stand there."""

from collections.abc import Callable

from tests import documents, factories
from tests.client import FunctionClient


def test_every_question_can_be_asked(client: Callable[..., FunctionClient]) -> None:
    (code,) = factories.manufactured_codes(1)
    assert client(factories.member().token).post("/v1/scans/submit", {"code": code}).status == 201
    statements = documents.statements("scans.md")
    assert len(statements) == 7
    for statement in statements:
        documents.run(statement, number=0)
