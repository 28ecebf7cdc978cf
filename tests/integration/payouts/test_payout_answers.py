"""The terminal answers at 3 a.m.: where a payout is and why, what is stuck, what is next; it pauses and resumes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock
from terraform.operations.payouts import ago, answer
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import NOW, RECIPIENT, PayoutRows

pytest_plugins = ["tests.fakes.treasury_plugin"]


@pytest.fixture(autouse=True)
def _nodes_answer(two_nodes: FakeNodes) -> None:
    """Unless a test says otherwise."""
    assert two_nodes


LATER = NOW + timedelta(hours=3, minutes=5)


def ask(question: str, *words: str) -> str:
    return "\n".join(answer(question, list(words), LATER))


REASONS = {
    "REQUESTED": "it waits for its turn",
    "HELD": "it waits for 2 more approvals by others than who asked",
    "RESERVED": "it waits for its turn",
    "IN_FLIGHT": "its nonce is taken and nothing is signed yet; the next task signs it",
    "PAID": "it is final: nothing waits",
    "CANCELLED": "it was cancelled: nothing will be sent",
    "QUARANTINED": "nobody knows who was paid with its nonce: two people approve",
}


def test_each_state_says_what_it_waits_for(rows: PayoutRows) -> None:
    for state, reason in REASONS.items():
        payout = rows.payout("REQUESTED" if state == "HELD" else state)
        if state == "HELD":
            for_two = "state = 'HELD', hold_reason = 'review', approvals_needed = 2, state_at = :now WHERE id = :payout"
            rows.run(f"UPDATE payouts SET {for_two}", payout=payout)

        told = ask("where", str(payout))

        assert told.startswith(f"5.00 USDT from member to {RECIPIENT}\n  payout     {payout} (test {payout})")
        assert f"  state      {state}" in told
        assert "3 h ago" in told
        assert f"  why        {reason}" in told


def test_a_payment_is_found_by_its_comp_and_by_its_transaction_with_its_whole_story(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    (hash_,) = set(payout_driver.chain.sent)
    sent = "\n".join(answer("where", [hash_.upper().replace("0X", "0x")], clock.now()))
    assert "it is sent and not mined; after a while its fees are raised by itself" in sent
    payout_driver.finalize(payout)
    comp = rows.payout(source_kind="comp", source_id=str(uuid4()))

    told = "\n".join(answer("where", [hash_], clock.now()))

    assert f"  paid by    {hash_}" in told
    story = [line for line in told.splitlines() if "payout_state" in line]
    assert [line.rpartition("-> ")[2] for line in story] == ["REQUESTED", "APPROVED", "RESERVED", "IN_FLIGHT", "PAID"]
    source = rows.login.value("SELECT source_id FROM payouts WHERE id = :id", id=comp)
    assert str(comp) in ask("where", source)


def test_a_later_nonce_says_which_one_it_waits_for(rows: PayoutRows) -> None:
    first, second = rows.payout("IN_FLIGHT"), rows.payout("IN_FLIGHT")
    rows.sign(first)
    rows.sign(second)

    assert "nonce 0 of the same key must be mined first" in ask("where", str(second))


def test_a_pause_is_the_reason_of_everything_that_would_move(rows: PayoutRows) -> None:
    payout = rows.payout("RESERVED")
    rows.pause()

    assert "the member treasury is paused: test" in ask("where", str(payout))


def test_what_there_is_not_is_said() -> None:
    for text in ("nonsense", "0x12", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(LookupError, match=f"there is no payout {text}"):
            ask("where", text)


def test_what_is_stuck_is_listed_longest_standing_first_with_what_it_waits_for(rows: PayoutRows) -> None:
    held, out = rows.payout("HELD"), rows.payout("IN_FLIGHT")
    rows.payout("PAID")
    fresh = PayoutRows(rows.login, iter([LATER] * 9)).payout("REQUESTED")
    rows.pause()

    lines = ask("stuck").splitlines()

    assert lines[0] == "PAUSED  member 3 h ago: test"
    assert lines[1] == "2 payouts have not moved, 10.00 USDT in all, the longest standing first:"
    assert {line.split()[0] for line in lines[2:]} == {str(held), str(out)}
    assert str(fresh) not in "\n".join(lines)
    assert "HELD(review)" in "\n".join(lines)


def test_a_node_that_hangs_is_why_nothing_is_signed(rows: PayoutRows, two_nodes: FakeNodes) -> None:
    waiting = rows.payout("REQUESTED")
    two_nodes.other.silent = True

    lines = ask("stuck").splitlines()

    assert lines[0] == "NODES   cannot be asked: ChainUnreachable: it is switched off"
    why = "the nodes cannot be asked, and nothing is signed or called paid until they answer"
    assert why in lines[-1]
    assert why in ask("where", str(waiting))
    assert "waits for its turn" not in "\n".join(lines)


def test_nothing_stuck_is_said() -> None:
    assert ask("stuck") == "nothing is stuck: every open payout has moved within 2 minutes"


def test_what_would_be_sent_next_is_told_and_nothing_is_sent(payout_driver: PayoutDriver, two_nodes: FakeNodes) -> None:
    assert two_nodes
    first, second, third = (
        payout_driver.request(300_000_000),
        payout_driver.request(300_000_000),
        payout_driver.request(5_000_000),
    )

    lines = "\n".join(answer("next", [], clock.now())).splitlines()

    member = lines[lines.index(next(line for line in lines if line.startswith("member:"))) :][:4]
    assert member[0] == "member: 500.00 USDT on the chain, 0.00 set aside, 500.00 free, next nonce 0"
    assert [(line.split()[0], line.rpartition("  ")[2]) for line in member[1:]] == [
        (str(first), "would be sent, if the policy agrees"),
        (str(second), "would be HELD(funds), if the policy agrees"),
        (str(third), "would be HELD(funds), if the policy agrees"),
    ]
    assert payout_driver.chain.sent == []
    assert payout_driver.state(first) == "REQUESTED"


def test_pause_and_resume_are_at_once_and_stand_in_the_audit_log(sql: Connection) -> None:
    assert "is paused: nothing more is signed" in ask("pause", "member", "nobody", "knows", "7")
    assert "was paused before" in ask("pause", "member", "again")
    assert sql.execute_simple("SELECT pause_reason FROM treasuries WHERE name = 'member'").rows == [["nobody knows 7"]]
    assert "signs again" in ask("resume", "member", "found it")
    assert "was not paused" in ask("resume", "member", "again")

    logged = sql.execute_simple("SELECT action, resource_id, changes ->> 'reason' FROM audit_logs ORDER BY id").rows
    assert [list(row) for row in logged] == [
        ["treasury.pause", "member", "nobody knows 7"],
        ["treasury.resume", "member", "found it"],
    ]


def test_half_a_command_changes_nothing(sql: Connection) -> None:
    half = {
        "pause operating why": "there is no treasury operating",
        "pause member": "say why",
        "resume": "a treasury is missing",
        "where": "an id is missing",
    }
    for words, said in half.items():
        with pytest.raises(LookupError, match=said):
            ask(*words.split())
    assert sql.execute_simple("SELECT count(*) FROM treasuries WHERE paused_at IS NOT NULL").rows == [[0]]


def test_times_are_short() -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    said = [ago(now - timedelta(seconds=seconds), now) for seconds in (-5, 59, 60, 3_600, 90_000)]
    assert said == ["0 s ago", "59 s ago", "1 min ago", "1 h ago", "1 d ago"]
