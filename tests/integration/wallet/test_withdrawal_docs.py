"""The statements of docs/withdrawals.md work as they stand there, and its table has every state."""

import re

from pg8000.dbapi import Connection

from emulators.contract import ROOT
from shared.withdrawals import State
from tests import documents
from tests.fakes import payout_rows
from tests.fakes.wallet_driver import WalletDriver

pytest_plugins = ["tests.fakes.wallet_plugin"]

DOCUMENT = (ROOT / "docs" / "withdrawals.md").read_text()


def test_every_question_has_an_answer(wallet_driver: WalletDriver) -> None:
    withdrawal = wallet_driver.signed()
    with payout_rows.functions_login() as login:
        answers = [login.run(statement, x=withdrawal) for statement in documents.statements("withdrawals.md")]

    assert len(answers) == 3
    assert all(answers)


def test_the_table_has_every_state_and_every_way(sql: Connection) -> None:
    rows = dict(re.findall(r"^\| ([a-z, ]+) \| .* \| (.+) \|$", DOCUMENT, re.MULTILINE))
    ways = {
        (state, target)
        for states, targets in rows.items()
        for state in states.split(", ")
        for target in re.findall("|".join(State), targets)
    }
    allowed = {(one, other) for one, other in sql.execute_simple("SELECT * FROM withdrawal_transitions").rows}

    assert {state for states in rows for state in states.split(", ")} | {"cancelled", "expired"} == set(State)
    assert ways | {("mined", "mined")} == allowed
