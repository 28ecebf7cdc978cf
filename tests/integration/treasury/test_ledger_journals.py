"""A journal sums to zero when it commits, is posted once, and stays as it was posted."""

from functools import partial

from tests.fakes.payout_rows import Login, PayoutRows, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

BALANCED = {"treasury": -5, "in_flight": 5}


def test_a_journal_that_does_not_sum_to_zero_is_refused_at_commit(rows: PayoutRows) -> None:
    for lines in (
        {"treasury": -5, "in_flight": 4},
        {"treasury": 1, "in_flight": 1},
        {"treasury": 2**62, "paid": 2**62},
    ):
        assert rule_of(partial(rows.journal, "j", **lines)) == "I12_balanced", lines

    assert rows.login.run("SELECT * FROM ledger_journals") == []
    assert rows.login.run("SELECT * FROM ledger_balances") == []


def test_a_journal_has_two_lines_at_least(rows: PayoutRows) -> None:
    empty = "INSERT INTO ledger_journals (ref, posted_at) VALUES ('j', now())"

    assert rule_of(lambda: rows.login.run(empty)) == "I12_balanced"
    assert rule_of(lambda: rows.journal("j", treasury=5)) == "I12_balanced"


def test_a_line_moves_something(rows: PayoutRows) -> None:
    assert rule_of(lambda: rows.journal("j", treasury=0, in_flight=0)) == "ledger_postings_amount_check"


def test_a_line_stands_on_an_account_that_exists(rows: PayoutRows) -> None:
    assert rule_of(lambda: rows.journal("j", treasury=-5, nowhere=5)) != ""


def test_one_ref_is_one_journal(rows: PayoutRows) -> None:
    rows.journal("j", **BALANCED)

    assert rule_of(lambda: rows.journal("j", **BALANCED)) == "ledger_journals_ref_key"
    assert balances(rows.login) == {"treasury:member": -5, "in_flight:member": 5}


APPEND = """
    INSERT INTO ledger_postings (journal_id, account, amount)
    SELECT id, account, amount
    FROM ledger_journals, (VALUES ('paid:member', 3), ('pool:member', -3)) AS line (account, amount)
    """


def test_a_journal_is_closed_when_it_has_been_committed(rows: PayoutRows, owner: Login) -> None:
    rows.journal("j", **BALANCED)

    assert {rule_of(partial(login.run, APPEND)) for login in (rows.login, owner)} == {"I12_append_only"}


def test_a_journal_cannot_be_called_complete_and_then_be_added_to(rows: PayoutRows) -> None:
    """SET CONSTRAINTS has the sum looked at early; the line after it must be looked at as well."""
    late = "INSERT INTO ledger_postings SELECT id, 'paid:member', 7 FROM ledger_journals"

    def post() -> None:
        with rows.login.transaction():
            rows.post("j", **BALANCED)
            rows.login.run("SET CONSTRAINTS ALL IMMEDIATE")
            rows.login.run("SET CONSTRAINTS ALL DEFERRED")
            rows.login.run(late)

    assert rule_of(post) == "I12_balanced"


def test_a_line_of_a_savepoint_that_was_undone_leaves_nothing(rows: PayoutRows) -> None:
    with rows.login.transaction():
        rows.post("j", **BALANCED)
        rows.login.run("SAVEPOINT s")
        rows.login.run(APPEND)
        rows.login.run("ROLLBACK TO SAVEPOINT s")

    assert balances(rows.login) == {"treasury:member": -5, "in_flight:member": 5}


def test_nothing_in_the_ledger_is_changed_or_removed(rows: PayoutRows, owner: Login) -> None:
    rows.journal("j", **BALANCED)
    changes = (
        "UPDATE ledger_journals SET ref = 'k'",
        "UPDATE ledger_postings SET amount = -amount",
        "DELETE FROM ledger_journals",
        "DELETE FROM ledger_postings",
        "TRUNCATE ledger_journals CASCADE",
        "TRUNCATE ledger_postings",
    )

    for change in changes:
        assert rule_of(partial(owner.run, change)) == "append_only", change
        assert rule_of(partial(rows.login.run, change)) == "42501", change


def test_no_function_touches_balances_or_accounts(rows: PayoutRows) -> None:
    rows.journal("j", **BALANCED)
    changes = (
        "UPDATE ledger_balances SET balance = 0",
        "DELETE FROM ledger_balances",
        "INSERT INTO ledger_balances VALUES ('paid:member', 1, 5)",
        "INSERT INTO ledger_accounts VALUES ('mine', '')",
        "UPDATE ledger_accounts SET name = 'mine' WHERE name = 'pool:wholesale'",
        "DELETE FROM ledger_accounts WHERE name = 'pool:wholesale'",
    )

    assert [change for change in changes if rule_of(partial(rows.login.run, change)) != "42501"] == []


def test_an_account_that_would_overflow_is_refused_whole(rows: PayoutRows) -> None:
    most = 2**63 - 1
    rows.journal("most", treasury=-most, in_flight=most)
    outcomes = [rule_of(partial(rows.journal, f"more-{n}", treasury=-most, in_flight=most)) for n in range(20)]

    assert "22003" in outcomes  # one at least falls into the shard of another
    assert recomputed(rows.login) == balances(rows.login)


def balances(login: Login) -> dict[str, int]:
    found = login.run("SELECT account, sum(balance) FROM ledger_balances GROUP BY account")
    return {account: int(balance) for account, balance in found}


def recomputed(login: Login) -> dict[str, int]:
    """From the postings themselves."""
    found = login.run("SELECT account, sum(amount) FROM ledger_postings GROUP BY account")
    return {account: int(amount) for account, amount in found}
