"""Queries by which jobs take their work serve the longest waiting first, and no batch is larger than asked for.

Rows are written in another order than that in which they are to be taken, and other members' or treasuries' beside
them. What they refer to is not there: triggers and foreign keys are off.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

import functions.admin_comps.store as admin_comps
import functions.auth.store as auth_store
import functions.guarantee_grant.store as guarantees
import functions.key_rotate.store as key_rotate
import functions.notify.store as notify
import functions.outbox_relay.store as outbox_relay
import functions.payout_recover.store as payout_recover
import functions.profile.records as profile_records
import functions.scan_rollup.store as scan_rollup
from functions.outbox_relay import store as relay_store
from functions.payout_confirm import store as confirm_store
from functions.payout_send import store as send_store
from shared import auth, db, withdrawals
from shared.affiliates import links
from shared.comps import awards
from shared.credentials import vault
from shared.db import Tx
from shared.members import suspensions
from shared.payouts import answers, explanations, queue, reads
from shared.payouts import slots as payout_slots
from shared.values.prizes import CompType
from tests import factories
from tests.factories import NOW
from tests.fakes.plain_rows import (
    OTHER_SIGNER,
    SIGNER,
    at,
    comp,
    payout,
    put,
    slot,
    unchecked,
    withdrawal,
    without_indexes,
)
from tests.fakes.wallet_driver import RECIPIENT

T = TypeVar("T")

SHUFFLED = (3, 1, 4, 2)
LATER = NOW + timedelta(days=9)


@pytest.fixture(autouse=True)
def _nothing_is_checked(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    without_indexes(monkeypatch)
    with unchecked(sql):
        yield


def left(sql: Connection, column: str, table: str) -> list[Any]:
    return [value for (value,) in sql.execute_simple(f"SELECT {column} FROM {table} ORDER BY 1").rows]


def done(work: Callable[[Tx], T]) -> T:
    return db.atomically(work)


def payouts(sql: Connection, **other: object) -> list[UUID]:
    """The first, five of the second minute, and the fourth: in the order to be taken."""
    made = [(number, payout(sql, number, **other)) for number in (4, 2, 1, 2, 2, 2, 2)]
    payout(sql, 0, **(other | {"treasury": "wholesale"}))
    return [identity for _, identity in sorted(made)]


def slots(sql: Connection, state: str = "ALLOCATED") -> None:
    """Nonces 1 to 4 of one key, and 0 of another."""
    for nonce in SHUFFLED:
        slot(sql, nonce, state)
    slot(sql, 0, state, OTHER_SIGNER)


def test_guarantees_those_who_wait_longest(sql: Connection) -> None:
    people = {}
    for number in SHUFFLED:
        people[number] = uuid4()
        put(sql, "guarantees", member_id=people[number], verified_on=date(2026, 1, 1), next_on=date(2026, 1, number))
    first = done(lambda tx: guarantees.due(tx, today=date(2026, 1, 3), after=None, limit=2))
    rest = done(lambda tx: guarantees.due(tx, today=date(2026, 1, 3), after=first[-1], limit=2))
    assert [due.member_id for due in first] == [people[1], people[2]]
    assert [due.member_id for due in rest] == [people[3]]


def test_guarantees_of_one_day_come_once_over_pages(sql: Connection) -> None:
    for _ in range(3):
        put(sql, "guarantees", member_id=uuid4(), verified_on=date(2026, 1, 1), next_on=date(2026, 1, 1))
    first = done(lambda tx: guarantees.due(tx, today=date(2026, 1, 1), after=None, limit=2))
    rest = done(lambda tx: guarantees.due(tx, today=date(2026, 1, 1), after=first[-1], limit=2))
    assert [due.member_id for due in [*first, *rest]] == left(sql, "member_id", "guarantees")


def outbox(sql: Connection, number: int, **other: object) -> None:
    put(sql, "outbox", id=number, kind="event", destination="t", body={}, created_at=NOW, **other)


def test_published_rows_are_forgotten_oldest_first(sql: Connection) -> None:
    for number in SHUFFLED:
        outbox(sql, 5 - number, published_at=at(number))
    assert done(lambda tx: outbox_relay.purge(tx, at(4), 2)) == 2
    assert left(sql, "published_at", "outbox") == [at(3), at(4)]
    assert done(lambda tx: outbox_relay.purge(tx, at(4), 2)) == 1


def test_the_outbox_is_published_oldest_first(sql: Connection) -> None:
    for number in SHUFFLED:
        outbox(sql, number)
    outbox(sql, 0, published_at=NOW)
    outbox(sql, -1, claimed_until=at(2))
    taken = [done(lambda tx: [row.id for row in relay_store.claim(tx, at(1), at(2), 2)]) for _ in range(3)]
    assert taken == [[1, 2], [3, 4], []]
    assert [row.id for row in done(lambda tx: relay_store.claim(tx, at(2), at(3), 9))] == [-1, 1, 2, 3, 4]


def test_minutes_are_forgotten_oldest_first(sql: Connection) -> None:
    for number in SHUFFLED:
        for period in ("minute", "hour"):
            put(sql, "scan_rollups", period=period, starts_at=at(number), scans=1, processing_ms=0, histogram={},
                peak_scans=1, peak_at=NOW)  # fmt: skip
    assert done(lambda tx: scan_rollup.purge_minutes(tx, at(4), 2)) == 2
    assert left(sql, "starts_at", "scan_rollups WHERE period = 'minute'") == [at(3), at(4)]
    assert done(lambda tx: scan_rollup.purge_minutes(tx, at(4), 2)) == 1
    assert len(left(sql, "starts_at", "scan_rollups WHERE period = 'hour'")) == 4


def test_scans_are_rolled_up_in_the_order_of_their_numbers(sql: Connection) -> None:
    for number in SHUFFLED:
        put(sql, "scans", id=uuid4(), number=number, member_id=uuid4(), code_mac=uuid4().bytes, quarter="2026-Q4",
            product_sku="x", scanned_at=at(-number), method="qr", tier="standard", quarter_scans=1)  # fmt: skip
    assert [scan.number for scan in done(lambda tx: scan_rollup.scans_after(tx, 1, 2))] == [2, 3]


def test_a_linked_wallet_is_paid_the_oldest_comps_first(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awards, "PENDING_MAX", 2)
    somebody = factories.member(wallet=RECIPIENT)
    waiting = {number: comp(sql, somebody.id, number) for number in SHUFFLED}
    comp(sql, uuid4(), 0)
    sql.execute_simple("SET session_replication_role = origin")
    assert done(lambda tx: awards.pay_pending(tx, somebody.id, RECIPIENT, NOW)) == 2
    assert set(left(sql, "source_id", "payouts")) == {str(waiting[1]), str(waiting[2])}


def test_what_a_number_stood_for_is_told_in_the_order_of_the_prizes(sql: Connection) -> None:
    for kind, number in (("trip", 5), ("crypto_1k", 5), ("casino", 5), ("crypto_100", 5), ("crypto_10k", 6)):
        put(sql, "milestones", scan_number=number, type=kind, member_id=uuid4(), tier="vip", tins_per_month=1,
            awarded=False, reason="x", reached_at=NOW)  # fmt: skip
    told = done(lambda tx: admin_comps.milestones(tx, 5))
    order = [kind.value for kind in CompType]
    assert len(told) == 4
    assert [it.type for it in told] == sorted((it.type for it in told), key=order.index)


def test_what_a_deletion_forfeits_is_told_oldest_first(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_records, "FORFEITED_MAX", 2)
    somebody = uuid4()
    made = {number: comp(sql, somebody, number) for number in SHUFFLED}
    comp(sql, somebody, 0, status="paid", paid_at=NOW)
    comp(sql, uuid4(), 0)
    matched = {number: uuid4() for number in SHUFFLED}
    for number in SHUFFLED:
        put(sql, "affiliate_earnings", id=matched[number], affiliate_id=somebody, referred_id=uuid4(),
            kind="prize_match", comp_id=made[number], value=100, amount=21, status="pending",
            earned_at=at(number))  # fmt: skip
    put(sql, "affiliate_earnings", id=uuid4(), affiliate_id=uuid4(), referred_id=uuid4(), kind="prize_match",
        comp_id=uuid4(), value=100, amount=21, status="pending", earned_at=NOW)  # fmt: skip
    assert done(lambda tx: profile_records.unpaid_comps(tx, somebody)) == [made[1], made[2]]
    assert done(lambda tx: profile_records.unpaid_earnings(tx, somebody)) == [matched[1], matched[2]]


def test_payouts_first_asked_for_first_taken(sql: Connection) -> None:
    expected = payouts(sql)
    payout(sql, 0, postponed_until=LATER)
    payout(sql, 0, state="CANCELLED")
    assert done(lambda tx: queue.waiting(tx, "member", NOW, 3)) == expected[:3]
    assert [row.id for row in done(lambda tx: answers.next_payouts(tx, "member", NOW, 3))] == expected[:3]
    assert [row.id for row in done(lambda tx: reads.load_all(tx, expected))] == expected
    idle = done(lambda tx: confirm_store.neglected(tx, NOW, NOW, 3))
    assert [row.payout_id for row in idle if row.treasury == "member"] == expected[:3]
    assert [row.treasury for row in idle] == ["member"] * 3 + ["wholesale"]


def test_holds_first_asked_for_first_looked_at(sql: Connection) -> None:
    expected = payouts(sql, state="HELD", hold_reason="funds")
    payout(sql, 0, state="HELD", hold_reason="funds", approvals_needed=1)
    payout(sql, 0)
    assert [row.id for row in done(lambda tx: confirm_store.held_alone(tx, "member", NOW, 3))] == expected[:3]
    payout(sql, 0, state="HELD", hold_reason="limit")
    turn = done(lambda tx: send_store.first_in_want(tx, "member"))
    assert turn == (at(1), expected[0])


def test_payouts_held_for_a_suspension_go_on_first_asked_for_first(sql: Connection) -> None:
    somebody = factories.member().id
    expected = payouts(sql, state="HELD", hold_reason="suspended", member_id=somebody)
    payout(sql, 0, state="HELD", hold_reason="suspended")
    payout(sql, 0, state="HELD", hold_reason="funds", member_id=somebody)
    held = done(lambda tx: suspensions.held_for_suspension(tx, somebody, 4))
    assert [(it.treasury, it.payout_id) for it in held[1:]] == [("member", it) for it in expected[:3]]
    assert held[0].treasury == "wholesale"


def test_what_is_stuck_longest_is_told_first(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "STUCK_MAX", 3)
    made = [(number, payout(sql, 0, state_at=at(number))) for number in (4, 2, 1, 2)]
    payout(sql, 0, state="CANCELLED")
    payout(sql, 0, state_at=LATER)
    expected = [identity for _, identity in sorted(made)]
    assert [row.id for row in done(lambda tx: answers.stuck(tx, at(4)))] == expected[:3]


def test_nonces_lowest_first(sql: Connection) -> None:
    slots(sql)
    slot(sql, 0, "FOREIGN")

    def nonces(work: Callable[[Tx], list[Any]]) -> list[int]:
        return [found.nonce for found in done(work)]

    assert nonces(lambda tx: payout_slots.unsigned(tx, SIGNER, 2)) == [1, 2]
    assert nonces(lambda tx: payout_slots.window(tx, SIGNER, 1, 2)) == [2, 3]
    assert nonces(lambda tx: payout_slots.reload_locked(tx, SIGNER, [4, 2, 9])) == [2, 4]
    assert nonces(lambda tx: payout_recover.open_below(tx, SIGNER, 4, 2)) == [1, 2]
    assert nonces(lambda tx: payout_recover.open_below(tx, SIGNER, 2, 9)) == [1]
    assert nonces(lambda tx: payout_recover.unexplained(tx, SIGNER, 2, 9)) == [0, 1]
    assert done(lambda tx: payout_slots.lowest_open(tx, SIGNER)) == 1


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(
    ("held", "taken"),
    [
        (timedelta(0), True),
        (timedelta(microseconds=1), False),
        (payout_slots.LEASE + payout_slots.CLOCKS_APART_MAX, False),
        (payout_slots.LEASE + payout_slots.CLOCKS_APART_MAX + timedelta(microseconds=1), True),
    ],
    ids=["its end has come", "not yet", "by the fastest clock there may be", "by a clock that is wrong"],
)
def test_a_key_is_taken_when_its_lease_is_over_or_cannot_be_true(
    by_name: bool, held: timedelta, taken: bool, sql: Connection
) -> None:
    put(sql, "signers", address=SIGNER, treasury="member", kms_version="v", status="draining", created_at=NOW,
        held_until=NOW + held)  # fmt: skip

    def take(tx: Tx) -> payout_slots.Signer:
        return payout_slots.take_key(tx, SIGNER, NOW) if by_name else payout_slots.take_signer(tx, "member", NOW)

    if taken:
        assert done(take).epoch == 1
    with pytest.raises(payout_slots.SignerBusy):
        done(take)


def test_nonces_in_question_are_told_by_key_and_nonce(sql: Connection) -> None:
    ids = itertools.count(1)
    for signer in (OTHER_SIGNER, SIGNER):
        put(sql, "signers", address=signer, treasury="member", kms_version=signer, status="draining", created_at=NOW)
        for nonce in SHUFFLED:
            slot(sql, nonce, "FOREIGN", signer)
            put(sql, "payout_events", id=next(ids), signer=signer, nonce=nonce, kind="foreign", happened_at=NOW)
    slot(sql, 0, "FOREIGN", SIGNER, uuid4())
    found = done(lambda tx: explanations.unexplained(tx, 5))
    assert [(row.signer, row.nonce) for row in found] == [
        (SIGNER, 1), (SIGNER, 2), (SIGNER, 3), (SIGNER, 4), (OTHER_SIGNER, 1),
    ]  # fmt: skip


def test_explanations_of_a_nonce_earliest_first(sql: Connection) -> None:
    put(sql, "signers", address=SIGNER, treasury="member", kms_version="v", status="draining", created_at=NOW)
    slot(sql, 1, "FOREIGN")
    put(sql, "payout_events", id=1, signer=SIGNER, nonce=1, kind="foreign", happened_at=NOW)
    people = sorted(factories.member().id for _ in range(4))
    for person, minute, nonce in ((2, 1, 1), (1, 1, 1), (0, 2, 1), (3, 0, 2), (3, 0, 1)):
        put(sql, "foreign_explanations", signer=SIGNER, nonce=nonce, person_id=people[person], why="x",
            explained_at=at(minute))  # fmt: skip
    (foreign,) = done(lambda tx: explanations.unexplained(tx, 5))
    said = done(lambda tx: explanations.said(tx, foreign))
    assert [people.index(it.person_id) for it in said] == [3, 1, 2, 0]


def test_signatures_of_a_nonce_first_to_last(sql: Connection) -> None:
    slots(sql)
    for nonce in (1, 2):
        for position in SHUFFLED:
            put(sql, "payout_attempts", hash=f"0x{nonce}{position}{'0' * 62}", signer=SIGNER, nonce=nonce, raw=b"x",
                position=position, kind="PAY", recipient_address=RECIPIENT, amount=1, fee_per_gas_wei_max=2,
                priority_fee_per_gas_wei_max=1, gas_limit=1, epoch=0, signed_at=NOW)  # fmt: skip
    found = done(lambda tx: payout_slots.unsigned(tx, SIGNER, 2))
    signed = done(lambda tx: payout_slots.attempts_of(tx, found))
    assert {nonce: [attempt.position for attempt in those] for nonce, those in signed.items()} == {
        1: [1, 2, 3, 4], 2: [1, 2, 3, 4],
    }  # fmt: skip
    assert [it.position for it in done(lambda tx: payout_slots.attempts(tx, found[0]))] == [1, 2, 3, 4]


def test_a_payouts_story_is_told_from_its_beginning(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "STORY_MAX", 3)
    identity = uuid4()
    for number in SHUFFLED:
        put(sql, "payout_events", id=number, payout_id=identity, kind=f"step {number}", happened_at=NOW)
    put(sql, "payout_events", id=0, payout_id=uuid4(), kind="another", happened_at=NOW)
    assert [told.kind for told in done(lambda tx: answers.story(tx, identity))] == ["step 1", "step 2", "step 3"]


def test_what_is_about_to_leave_is_what_is_signed_and_not_final(sql: Connection) -> None:
    signers = {SIGNER: "member", OTHER_SIGNER: "wholesale"}
    for address, treasury in signers.items():
        put(sql, "signers", address=address, treasury=treasury, kms_version=address, status="draining", created_at=NOW)
    states = ((SIGNER, 1, "ALLOCATED"), (SIGNER, 2, "LIVE"), (SIGNER, 3, "FOREIGN"), (OTHER_SIGNER, 4, "LIVE"))
    for signer, nonce, state in states:
        slot(sql, nonce, state, signer, payout(sql, 0, amount=10**nonce))
    assert done(lambda tx: queue.committed(tx, "member")).leaving.micro == 100


def test_where_a_payout_is_is_told_of_its_own_key(sql: Connection) -> None:
    identity = payout(sql, 0, state="IN_FLIGHT")
    slot(sql, 5, "LIVE", SIGNER, identity)
    slot(sql, 4, "LIVE")
    slot(sql, 3, "LIVE", OTHER_SIGNER)
    for number, signer in enumerate((SIGNER, OTHER_SIGNER)):
        for position in (2, 1, 3)[: 2 + number]:
            put(sql, "payout_attempts", hash=f"0x{number}{position}{'0' * 62}", signer=signer, nonce=5, raw=b"x",
                position=position, kind="PAY", recipient_address=RECIPIENT, amount=1, fee_per_gas_wei_max=2,
                priority_fee_per_gas_wei_max=1, gas_limit=1, epoch=0, signed_at=NOW)  # fmt: skip
    found = done(lambda tx: answers.where(tx, identity))
    assert (found.last_hash, found.attempts, found.lowest_open_nonce) == (f"0x02{'0' * 62}", 2, 4)


def test_each_treasury_is_told_what_is_set_aside_of_its_own(sql: Connection) -> None:
    for number, treasury in enumerate(("member", "affiliate"), 1):
        for shard in (0, 1):
            put(sql, "ledger_balances", account=f"in_flight:{treasury}", shard=shard, balance=number)
    put(sql, "ledger_balances", account="owed:member", shard=0, balance=100)
    for treasury, minute in (("member", 2), ("member", 3), ("member", 1), ("affiliate", 4)):
        put(sql, "treasury_snapshots", at=at(minute), treasury=treasury, onchain_balance=minute, block_number=1)
    told = done(answers.treasuries)
    assert [it.snapshot_at for it in told] == [at(4), at(3), None, None]
    assert [(it.name, int(it.set_aside.micro)) for it in told] == [
        ("affiliate", 4), ("member", 2), ("shop", 0), ("wholesale", 0),
    ]  # fmt: skip


def test_a_push_that_is_finished_stays_as_it_ended(sql: Connection) -> None:
    note, device, other = uuid4(), uuid4(), uuid4()
    for told in (device, other):
        put(sql, "pushes", notification_id=note, device_id=told, status="sending", claimed_until=NOW)
    done(lambda tx: notify.finish(tx, note, device, "sent", at(1)))
    done(lambda tx: notify.finish(tx, note, device, "refused", at(2)))
    ended = sql.execute_unnamed("SELECT status, finished_at FROM pushes WHERE device_id = $1", (device,)).rows
    assert ended == [["sent", at(1)]]
    assert left(sql, "status", "pushes") == ["sending", "sent"]


def test_preparations_expire_in_the_order_of_their_ends(sql: Connection) -> None:
    made = {number: withdrawal(sql, number) for number in SHUFFLED}
    assert done(lambda tx: withdrawals.expire(tx, at(3), 2)) == 2
    assert set(left(sql, "id", "withdrawals WHERE state = 'expired'")) == {made[1], made[2]}
    assert done(lambda tx: withdrawals.expire(tx, at(3), 2)) == 1


def test_withdrawals_are_looked_at_again_the_longest_neglected_first(sql: Connection) -> None:
    def followed(number: int | None, state: str = "signed") -> UUID:
        hash_ = f"0x{uuid4().hex}{uuid4().hex}"
        return withdrawal(sql, 9, state=state, raw=b"x", transaction_hash=hash_, signed_at=NOW,
                          checked_at=None if number is None else at(number))  # fmt: skip

    made = {number: followed(number) for number in (3, None, 1, 4, 2)}
    lapsed = followed(0, "lapsed")
    withdrawal(sql, 9)
    found = done(lambda tx: withdrawals.neglected(tx, at(3), at(-1), 9))
    assert found == [made[None], made[1], made[2], made[3]]
    assert done(lambda tx: withdrawals.neglected(tx, at(3), at(-1), 2)) == [made[None], made[1]]
    assert done(lambda tx: withdrawals.neglected(tx, at(3), at(0), 2)) == [made[None], lapsed]


def test_keys_the_newest_that_is_active_signs(sql: Connection) -> None:
    sql.execute_simple("DELETE FROM signing_keys")
    for number in SHUFFLED:
        put(sql, "signing_keys", kid=f"k{number}", kms_version=f"v{number}", public_jwk={"kid": number},
            created_at=at(number), active_from=at(number), retired_at=at(9) if number == 2 else None)  # fmt: skip
    signs = [done(lambda tx: auth_store.signing_key(tx, at(number))).kid for number in (1, 2, 3, 4)]  # noqa: B023 - done at once
    assert signs == ["k1", "k1", "k3", "k4"]
    assert done(key_rotate.newest_created_at) == at(4)
    assert [key["kid"] for key in auth.published_keys()] == [1, 3, 4]


def test_secrets_are_sealed_with_the_newest_key(sql: Connection) -> None:
    known = UUID(left(sql, "id", "data_keys")[0].hex)
    sql.execute_simple("UPDATE data_keys SET created_at = '2026-11-22Z'")
    for number in (-9, -1, -5):
        put(sql, "data_keys", id=uuid4(), kms_key="none", wrapped=b"x", created_at=NOW + timedelta(days=number))
    assert UUID(bytes=done(lambda tx: vault.seal(tx, b"secret", "row"))[:16]) == known


def test_a_members_link_is_the_one_chosen_last(sql: Connection) -> None:
    somebody = uuid4()
    for number in SHUFFLED:
        put(sql, "referral_codes", code=f"a-{number}", member_id=somebody, created_at=at(number // 2))
    put(sql, "referral_codes", code="b-1", member_id=uuid4(), created_at=at(9))
    assert done(lambda tx: links.custom_codes(tx, somebody)) == ["a-4", "a-2", "a-3", "a-1"]


def test_the_devices_registered_last_are_told(sql: Connection) -> None:
    somebody, note, session = uuid4(), uuid4(), uuid4()
    put(sql, "sessions", id=session, member_id=somebody, device_kind="mobile", created_at=NOW, last_used_at=NOW)
    made = {}
    for number in SHUFFLED:
        made[number] = uuid4()
        put(sql, "devices", id=made[number], member_id=somebody, session_id=session, platform="ios", token=str(number),
            registered_at=at(number))  # fmt: skip
    put(sql, "devices", id=uuid4(), member_id=uuid4(), platform="ios", token="x", registered_at=at(9))
    put(sql, "pushes", notification_id=note, device_id=made[3], status="sent", claimed_until=NOW, finished_at=NOW)
    put(sql, "pushes", notification_id=uuid4(), device_id=made[4], status="sent", claimed_until=NOW, finished_at=NOW)
    told = notify.Notification(note, somebody, "system", "x", "x", None, {}, {}, "en", NOW, read=False, wanted=True)
    assert done(lambda tx: notify.waiting(tx, told, NOW, 3)) == [made[4], made[2]]
    assert done(lambda tx: notify.waiting(tx, told, NOW, 9)) == [made[4], made[2], made[1]]
