"""A nonce is used once, in order, for one payout; it ends as the chain says, and it is never forgotten."""

from functools import partial
from uuid import UUID

from pg8000.dbapi import Connection

from tests.fakes.payout_rows import AMOUNT, Login, PayoutRows, new_hash, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

ALLOWED = {
    "ALLOCATED": {"LIVE", "FOREIGN"},
    "LIVE": {"MINED", "FOREIGN"},
    "MINED": {"LIVE", "MINED", "FINAL_PAY", "FINAL_REVERTED", "FINAL_NOOP"},
    "FOREIGN": {"MINED", "LIVE", "ALLOCATED"},  # the last two when the nodes that called it foreign were wrong
    "FINAL_PAY": set(),
    "FINAL_REVERTED": set(),
    "FINAL_NOOP": set(),
}


def a_slot(rows: PayoutRows, state: str, *, kind: str = "PAY") -> tuple[UUID, tuple[str, int]]:
    """A payout and its slot in that state; what is final is so within the open transaction."""
    payout = rows.payout("IN_FLIGHT")
    slot = rows.slot(payout)
    rows.login.run("BEGIN")
    if state not in ("ALLOCATED", "FOREIGN"):
        winner = rows.attempt(slot, kind="NOOP" if state == "FINAL_NOOP" else kind)
        rows.slot_to(slot, "LIVE")
        if state != "LIVE":
            rows.slot_to(slot, "MINED", winner, succeeded=state != "FINAL_REVERTED")
    if state not in ("ALLOCATED", "LIVE", "MINED"):
        rows.slot_to(slot, state)
    return payout, slot


def test_a_slot_changes_only_along_the_table(rows: PayoutRows) -> None:
    for state, allowed in ALLOWED.items():
        _, slot = a_slot(rows, state)
        for target in ALLOWED.keys() - allowed - {state}:
            rows.login.run("SAVEPOINT before")
            assert rule_of(partial(rows.slot_to, slot, target, new_hash())) == "I4_transition", (state, target)
            rows.login.run("ROLLBACK TO SAVEPOINT before")
        rows.login.run("ROLLBACK")


def test_the_table_in_the_database_is_the_one_of_the_design(app: Login) -> None:
    pairs = {(before, after) for before, after in app.run("SELECT from_state, to_state FROM slot_transitions")}

    assert pairs == {(before, after) for before, targets in ALLOWED.items() for after in targets}


def test_no_slot_is_born_in_a_later_state(rows: PayoutRows, owner: Login) -> None:
    payout = rows.payout("RESERVED")
    insert = """
        INSERT INTO payout_slots (signer, nonce, payout_id, state, state_at, allocated_at, winning_hash, block_number,
                                  block_hash, succeeded)
        VALUES (:signer, 0, :payout, :state, now(), now(), :hash, :number, :hash, :succeeded)
        """

    for state in ALLOWED.keys() - {"ALLOCATED"}:
        won: dict[str, object] = {"hash": None, "number": None, "succeeded": None}
        if state.startswith(("MINED", "FINAL")):
            won = {"hash": new_hash(), "number": 1, "succeeded": True}
        for login in (rows.login, owner):
            born = partial(login.run, insert, signer=rows.signer(), payout=payout, state=state, **won)
            assert rule_of(born) == "I13_born", state


def test_only_the_next_nonce_is_given_out(rows: PayoutRows) -> None:
    rows.payout("IN_FLIGHT")
    payout = rows.payout("RESERVED")
    insert = """
        INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at)
        SELECT address, next_nonce + :offset, CAST(:payout AS uuid), now(), now() FROM signers WHERE address = :signer
        """

    for offset in (-1, 1, 2):
        taken = partial(rows.login.run, insert, payout=payout, offset=offset, signer=rows.signer())
        assert rule_of(taken) in ("I5_nonce", "payout_slots_pkey"), offset


def test_a_slot_that_is_not_made_uses_up_no_nonce(rows: PayoutRows) -> None:
    """A gap would hold up every later payment of the treasury for ever."""
    payout = rows.payout("RESERVED")
    with rows.login.transaction():
        for _ in range(2):
            rows.run(
                """
                INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at)
                SELECT address, next_nonce, CAST(:payout AS uuid), :now, :now FROM signers WHERE address = :signer
                ON CONFLICT DO NOTHING
                """,
                payout=payout,
                signer=rows.signer(),
            )
        rows.move(payout, "IN_FLIGHT")

    assert rows.login.run("SELECT nonce FROM payout_slots") == [[0]]
    assert rows.login.value("SELECT next_nonce FROM signers WHERE address = :signer", signer=rows.signer()) == 1


def test_nobody_moves_the_nonce_by_hand(rows: PayoutRows, owner: Login) -> None:
    rows.payout("IN_FLIGHT")

    for login in (rows.login, owner):
        for nonce in (0, 2, 7):
            assert rule_of(partial(login.run, "UPDATE signers SET next_nonce = :nonce", nonce=nonce)) != ""


def test_no_epoch_comes_back(rows: PayoutRows, owner: Login) -> None:
    rows.login.run("UPDATE signers SET epoch = epoch + 1")

    for login in (rows.login, owner):
        assert rule_of(partial(login.run, "UPDATE signers SET epoch = epoch - 1")) != ""


def test_no_function_changes_what_a_treasury_is(app: Login) -> None:
    changes = (
        "UPDATE signers SET address = '0x' || repeat('1', 40)",
        "UPDATE signers SET treasury = 'wholesale', status = 'retired' WHERE treasury = 'affiliate'",
        "UPDATE signers SET kms_version = kms_version || '9'",
        "UPDATE treasuries SET token_address = '0x' || repeat('1', 40)",
        "UPDATE treasuries SET chain_id = 1",
        "DELETE FROM signers",
        "DELETE FROM treasuries",
    )
    assert [change for change in changes if rule_of(partial(app.run, change)) == ""] == []


def test_a_signer_stays_what_it_is_even_for_the_owner(owner: Login) -> None:
    changes = {
        "address": "0x" + "1" * 40,
        "treasury": "affiliate",
        "kms_version": "another",
        "created_at": "2020-01-01Z",
    }

    for column, value in changes.items():
        change = f"UPDATE signers SET {column} = :value WHERE treasury = 'wholesale'"
        assert rule_of(partial(owner.run, change, value=value)) == "I5_signer", column


def test_one_address_is_one_signer_however_it_is_written(app: Login) -> None:
    insert = """
        INSERT INTO signers (address, treasury, kms_version, status, created_at)
        SELECT '0x' || upper(substr(address, 3)), treasury, treasury, 'draining', created_at FROM signers
        """

    assert rule_of(lambda: app.run(insert)) == "signers_address"


def test_only_a_reserved_payout_gets_a_slot(rows: PayoutRows) -> None:
    for state in ("REQUESTED", "APPROVED", "HELD", "CANCELLED", "PAID", "QUARANTINED"):
        payout = rows.payout(state)
        assert rule_of(partial(rows.take_nonce, payout)) in ("R2_reserved", "payout_slots_one_open"), state


def test_another_treasury_does_not_pay(rows: PayoutRows) -> None:
    payout = rows.payout("RESERVED")

    assert rule_of(lambda: rows.take_nonce(payout, rows.signer("affiliate"))) == "R2_reserved"


def test_a_payout_has_one_open_slot(rows: PayoutRows) -> None:
    payout = rows.payout("RESERVED")
    rows.login.run("BEGIN")
    rows.take_nonce(payout)

    assert rule_of(lambda: rows.take_nonce(payout)) == "payout_slots_one_open"


def test_a_payout_that_was_paid_gets_no_other_slot_whatever_the_clocks_say(rows: PayoutRows) -> None:
    """Its second slot was given out by a machine whose clock was late."""
    payout, slot = a_slot(rows, "FINAL_NOOP")
    rows.move(payout, "RESERVED")
    rows.run(
        """
        INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at)
        VALUES (:signer, :nonce, CAST(:payout AS uuid), :now, CAST(:now AS timestamptz) - interval '1 day')
        """,
        signer=slot[0],
        nonce=slot[1] + 1,
        payout=payout,
    )
    rows.move(payout, "IN_FLIGHT")
    second = (slot[0], slot[1] + 1)
    winner = rows.attempt(second)
    rows.slot_to(second, "LIVE")
    rows.slot_to(second, "MINED", winner)
    rows.slot_to(second, "FINAL_PAY")

    assert rule_of(lambda: rows.move(payout, "RESERVED")) == "R2_one_slot"


def test_a_payout_is_paid_once_even_where_no_trigger_looks(rows: PayoutRows, sql: Connection) -> None:
    """As a restore would write it: the index alone stands between it and the rows."""
    rows.payout("PAID")
    sql.execute_simple("SET session_replication_role = replica")
    copy = "CREATE TEMP TABLE copy AS SELECT * FROM payout_slots; UPDATE copy SET nonce = nonce + 1"
    sql.execute_simple(copy)

    assert rule_of(lambda: sql.execute_simple("INSERT INTO payout_slots SELECT * FROM copy")) == "payout_slots_one_paid"


def test_a_slot_is_live_with_a_stored_attempt_only(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")

    assert rule_of(lambda: rows.slot_to(rows.slot(payout), "LIVE")) == "R1_stored"
    rows.sign(payout)


def test_the_winner_is_an_attempt_of_this_slot(rows: PayoutRows) -> None:
    other = rows.payout("IN_FLIGHT")
    rows.sign(other)
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    slot = rows.slot(payout)

    for winner in (new_hash(), rows.last_hash(rows.slot(other))):
        assert rule_of(partial(rows.slot_to, slot, "MINED", winner)) == "I10_winner"
    rows.slot_to(slot, "MINED", rows.last_hash(slot))


def test_a_slot_ends_as_its_winner_did(rows: PayoutRows) -> None:
    ends = {("PAY", True): "FINAL_PAY", ("PAY", False): "FINAL_REVERTED"}
    ends |= {("NOOP", True): "FINAL_NOOP", ("NOOP", False): "FINAL_NOOP"}
    for (kind, succeeded), end in ends.items():
        slot = rows.slot(rows.payout("IN_FLIGHT"))
        with rows.login.transaction():
            winner = rows.attempt(slot, kind=kind)
            rows.slot_to(slot, "LIVE")
            rows.slot_to(slot, "MINED", winner, succeeded=succeeded)
        for other in {"FINAL_PAY", "FINAL_REVERTED", "FINAL_NOOP"} - {end}:
            assert rule_of(partial(rows.slot_to, slot, other)) == "I10_winner", (kind, succeeded, other)


def test_a_slot_is_final_exactly_as_it_was_mined(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    first = rows.last_hash(rows.slot(payout))
    rows.attempt(rows.slot(payout), fee=200 * 10**9, tip=64 * 10**9)
    rows.mine(payout)
    other = {"winning_hash": first, "block_number": 5, "block_hash": new_hash(), "succeeded": False}

    for column, value in other.items():
        change = f"UPDATE payout_slots SET state = 'FINAL_PAY', {column} = :value"
        assert rule_of(partial(rows.login.run, change, value=value)) == "I10_winner", column


def test_a_slot_stays_what_it_is_for(rows: PayoutRows, owner: Login) -> None:
    rows.payout("IN_FLIGHT")
    other = rows.payout("RESERVED")
    changes = {"signer": rows.signer("affiliate"), "nonce": 7, "payout_id": other, "allocated_at": "2020-01-01Z"}

    for login in (rows.login, owner):
        for column, value in changes.items():
            change = partial(login.run, f"UPDATE payout_slots SET {column} = :value", value=value)
            assert rule_of(change) == "I5_nonce", column


def test_a_slot_can_be_found_again_in_another_block(rows: PayoutRows) -> None:
    payout = rows.payout("IN_FLIGHT")
    rows.sign(payout)
    first = rows.last_hash(rows.slot(payout))
    rows.attempt(rows.slot(payout), fee=200 * 10**9, tip=64 * 10**9)
    rows.mine(payout)

    rows.slot_to(rows.slot(payout), "MINED", first)
    rows.slot_to(rows.slot(payout), "LIVE")
    rows.slot_to(rows.slot(payout), "MINED", first)
    rows.login.run("BEGIN")
    rows.slot_to(rows.slot(payout), "FINAL_PAY")
    rows.post(f"paid:{payout}", in_flight=-AMOUNT, paid=AMOUNT)
    rows.settle(payout, first)
    rows.login.run("COMMIT")

    assert rows.state(payout) == "PAID"
