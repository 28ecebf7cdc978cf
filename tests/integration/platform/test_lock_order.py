"""Several rows are locked in one order, so that two who lock them wait for each other in turn and never in a circle.

The statements are read out of the product: a new one fails here until it is tried.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

import functions.admin_codes.store as admin_codes
import functions.admin_comps.store as admin_comps
import functions.admin_scans.store as admin_scans
import functions.codes_change.store as codes_change
import functions.governance.store as governance
import functions.notifications.store as notifications
import functions.scans.records as scan_records
import functions.scans.store as scans
import functions.social.store as chat
import functions.stream_control.store as streams
from functions.affiliate import chip_store
from functions.affiliate_week import payout_store
from functions.affiliate_week.week_store import Week
from functions.figure_rollup import store as kept_figures
from functions.figure_rollup.store import Figure
from functions.orders import buyer_records
from functions.referral_refresh import figures_store, review_store
from shared import db
from shared.codes import changes
from shared.comps import awards, totals
from shared.db import Tx
from shared.figures.names import Name
from shared.messages import notifications as telling
from shared.messages.notifications import Note
from shared.payouts import reads, slots
from shared.social import heads
from shared.social import standings as chat_standings
from shared.values.money import ZERO
from shared.values.states import WeekState
from tests import factories, statements
from tests.factories import NOW
from tests.fakes import order_rows
from tests.fakes.locks import LOCK_NOT_AVAILABLE, held, is_locked, until_waiting
from tests.fakes.plain_rows import SIGNER, comp, payout, put, slot, unchecked, without_indexes
from tests.fakes.week_rows import SUNDAY, wallet
from tests.platform import Platform

Take = Callable[[Tx], object]
Prepared = tuple[str, list[str], Take]  # the table, a condition for each row in the order of locking, the act

LOCKS_ROWS = re.compile(r"FOR (NO KEY )?(UPDATE|SHARE)|ON CONFLICT")
TRIED_ELSEWHERE = {
    "functions.governance.store.cast": "test_votes.py",
    "functions.social.records.read_own": "test_acts.py",
    "functions.social.store.look": "test_reading.py",
    "functions.social.records.lock_images": "test_own_images.py",
    "functions.affiliate_vault.store.note_warned": "test_vault_upkeep.py",
    "functions.stream_control.store.strays": "below",
    "shared.web.idempotency.claim_all": "test_group_twins.py",
}


class _Undone(Exception):
    """Raised to roll back."""


@pytest.fixture(autouse=True)
def _no_order_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    without_indexes(monkeypatch)


def _ids() -> list[UUID]:
    return sorted(uuid4() for _ in range(3))


def _by(column: str, keys: Sequence[object]) -> list[str]:
    return [f"{column} = '{key}'" for key in keys]


def _made_codes(sql: Connection, status: str) -> list[bytes]:
    """The hashes of three codes, in order."""
    macs = sorted(factories.mac(code) for code in factories.manufactured_codes(3))
    sql.execute_unnamed("UPDATE codes SET status = $1, manufactured_at = NULL", (status,))
    return macs


def _carts(sql: Connection) -> Prepared:
    assert sql
    people = [factories.member() for _ in range(3)]
    made = sorted(order_rows.cart(person) for person in people)
    return "carts", _by("id", made), lambda tx: buyer_records.lock_carts(tx, [person.id for person in people])


def _by_mac(macs: Sequence[bytes]) -> list[str]:
    return _by("mac", [f"\\x{mac.hex()}" for mac in macs])


def _codes(status: str, take: Callable[[Tx, list[bytes]], object]) -> Callable[[Connection], Prepared]:
    def prepare(sql: Connection) -> Prepared:
        macs = _made_codes(sql, status)
        return "codes", _by_mac(macs), lambda tx: take(tx, macs)

    return prepare


def _chunk(status: str, take: Callable[[Tx, UUID, int], object]) -> Callable[[Connection], Prepared]:
    def prepare(sql: Connection) -> Prepared:
        macs = _made_codes(sql, status)
        sql.execute_simple("UPDATE codes SET batch_id = (SELECT id FROM code_batches LIMIT 1), chunk = 0")
        ((batch,),) = sql.execute_simple("SELECT DISTINCT batch_id FROM codes").rows
        return "codes", _by_mac(macs), lambda tx: take(tx, batch, 0)

    return prepare


def _rules(sql: Connection) -> Prepared:
    types = [kind for (kind,) in sql.execute_simple("SELECT type FROM comp_rules ORDER BY type").rows]
    return "comp_rules", _by("type", types), admin_comps.lock_rules


def _flagged(sql: Connection) -> Prepared:
    assert sql
    scanned = sorted(factories.flagged_scan() for _ in range(3))
    return "flagged_scans", _by("scan_id", scanned), lambda tx: admin_scans.lock(tx, scanned, uuid4())


def _notifications(sql: Connection) -> Prepared:
    somebody, ids = uuid4(), _ids()
    for each in ids:
        put(sql, "notifications", id=each, member_id=somebody, type="system", title="x", body="x", data={},
            dedupe_key=str(each), created_at=NOW)  # fmt: skip
    return "notifications", _by("id", ids), lambda tx: notifications.mark_read(tx, somebody, None, NOW)


def _totals(take: Callable[[Tx, list[UUID]], object]) -> Callable[[Connection], Prepared]:
    def prepare(sql: Connection) -> Prepared:
        assert sql
        people = sorted(factories.member().id for _ in range(3))
        return "member_totals", _by("member_id", people), lambda tx: take(tx, people)

    return prepare


def _totals_of_payouts(sql: Connection) -> Prepared:
    people = sorted(factories.member().id for _ in range(3))
    paid = [payout(sql, 0, member_id=person, source_kind="comp") for person in people]
    return "member_totals", _by("member_id", people), lambda tx: totals.lock_of_payouts(tx, paid)


def _wrong_codes(sql: Connection) -> Prepared:
    subjects = ["a", "b", "c"]
    for subject in subjects:
        put(sql, "attempt_counters", subject=subject, hour=NOW, attempts=1)
    wrong = dict.fromkeys(reversed(subjects), 1)
    return "attempt_counters", _by("subject", subjects), lambda tx: scan_records.count_wrong_codes(tx, wrong, NOW)


def _inboxes(sql: Connection) -> Prepared:
    assert sql
    people = sorted(factories.member().id for _ in range(3))
    notes = [Note(person, "system", "x", "x", {}, "x") for person in reversed(people)]
    return "inboxes", _by("member_id", people), lambda tx: telling.notify_many(tx, notes, NOW)


def _social_notes(sql: Connection) -> Prepared:
    ids = _ids()
    for each in reversed(ids):
        put(sql, "notifications", id=each, member_id=uuid4(), type="social", title="x", body="x", data={},
            dedupe_key="message:1", created_at=NOW)  # fmt: skip
    return "notifications", _by("id", ids), lambda tx: telling.retract(tx, "message:1", NOW)


def _standings(sql: Connection) -> Prepared:
    assert sql
    people = sorted(factories.member().id for _ in range(3))
    db.atomically(chat_standings.lock, people[::-1])

    def take(tx: Tx) -> None:
        chat_standings.lock(tx, people[::-1])
        chat.standings(tx, people)

    return "social_standings", _by("member_id", people), take


def _put_vote(sql: Connection, vote: UUID) -> None:
    put(sql, "governance_votes", id=vote, type="flavor", tier_min="vip", title="x", description="x", seconds=3600,
        quorum_percent=0, created_by=uuid4(), created_at=NOW)  # fmt: skip


def _votes(sql: Connection) -> Prepared:
    ids = _ids()
    for each in ids:
        _put_vote(sql, each)
    return "governance_votes", _by("id", ids), lambda tx: governance.lock(tx, ids[::-1])


def _vote_options(sql: Connection) -> Prepared:
    vote, options = uuid4(), [1, 2, 3]
    for option in options:
        put(sql, "governance_options", vote_id=vote, option=option, label=f"x{option}")
    counts = [(vote, option, 1) for option in options[::-1]]
    return "governance_options", _by("option", options), lambda tx: governance.add(tx, counts)


def _heads(sql: Connection) -> Prepared:
    found = sql.execute_simple("SELECT channel_id FROM social_heads ORDER BY channel_id LIMIT 3").rows
    channels = [UUID(str(channel)) for (channel,) in found]
    counts = dict.fromkeys(reversed(channels), (1, 1))
    return "social_heads", _by("channel_id", channels), lambda tx: heads.take(tx, counts)


def _pending(sql: Connection) -> Prepared:
    somebody = factories.member().id
    won = [comp(sql, somebody, number) for number in (1, 2, 3)]
    return "comps", _by("id", won), lambda tx: awards.pay_pending(tx, somebody, SIGNER, NOW)


def _payouts(sql: Connection) -> Prepared:
    asked = [payout(sql, number) for number in (1, 2, 3)]
    return "payouts", _by("id", asked), lambda tx: reads.load_all(tx, asked)


def _payouts_of_sources(sql: Connection) -> Prepared:
    ids = _ids()
    sources = dict.fromkeys(("comp", "other", "test"), "x")
    for each, (kind, source) in zip(ids, sources.items(), strict=True):
        payout(sql, 0, id=each, source_kind=kind, source_id=source)
    return "payouts", _by("id", ids), lambda tx: reads.of_sources(tx, sources)


def _slots(sql: Connection) -> Prepared:
    for nonce in (1, 2, 3):
        slot(sql, nonce)
    return "payout_slots", _by("nonce", (1, 2, 3)), lambda tx: slots.reload_locked(tx, SIGNER, [3, 1, 2])


def _lots(sql: Connection) -> Prepared:
    somebody, ids = factories.member().id, _ids()
    for each in ids:
        put(sql, "vault_lots", id=each, affiliate_id=somebody, kind="manual", week_on=NOW.date(), chips=1, left_chips=1,
            vaulted_at=NOW, expires_at=NOW + timedelta(days=365))  # fmt: skip
    return "vault_lots", _by("id", ids), lambda tx: chip_store.lock_lots(tx, somebody, NOW)


def _proposed(sql: Connection) -> Prepared:
    addresses = [wallet() for _ in range(3)]
    people = {factories.member(wallet=address).id: address for address in addresses}
    ids = _ids()
    for each, (person, address) in zip(ids, sorted(people.items()), strict=True):
        put(sql, "affiliate_payouts", id=each, affiliate_id=person, week_on=NOW.date(), amount=1,
            address=address, made_at=NOW, state_at=NOW)  # fmt: skip
    week = Week(NOW.date(), WeekState.APPROVED, 1, 0, ZERO, 1, ZERO, 0, 0, 1, NOW, None, None, None)
    return "affiliate_payouts", _by("id", ids), lambda tx: payout_store.request_portion(tx, week, NOW)


def _figures(sql: Connection) -> tuple[list[UUID], list[str]]:
    """Three affiliates in the order of their ids, and their figures."""
    people = _ids()
    for person in people:
        put(sql, "affiliate_figures", affiliate_id=person)
    return people, _by("affiliate_id", people)


def _figures_of_scans(sql: Connection) -> Prepared:
    people, rows = _figures(sql)
    for number, person in enumerate(reversed(people), 1):
        put(sql, "affiliate_chips", id=uuid4(), affiliate_id=person, kind="referral_scan", chips=1, scan_number=number,
            earned_at=NOW)  # fmt: skip
    return "affiliate_figures", rows, lambda tx: figures_store.add_chips(tx, 0, len(people))


def _figures_of_week(sql: Connection) -> Prepared:
    people, rows = _figures(sql)
    put(sql, "affiliate_figure_weeks", week_on=SUNDAY)
    for person in reversed(people):
        put(sql, "affiliate_week_shares", week_on=SUNDAY, affiliate_id=person, mark=person.bytes * 2, scan_chips=1,
            brought=0, put_away=0, chips=1, overflow=0, share=1)  # fmt: skip
    return "affiliate_figures", rows, lambda tx: figures_store.add_shares(tx, NOW, 10)


def _referrals(sql: Connection) -> Prepared:
    ids = sorted(factories.member(referred_by=factories.member()).id for _ in range(3))
    del sql
    return "referrals", _by("referred_id", ids), lambda tx: review_store.lock_referrals(tx, ids[::-1])


def _kept_figures(sql: Connection) -> Prepared:
    names = sorted((Name.MEMBERS, Name.POOLS, Name.VAULT))
    for name in names:
        put(sql, "figures", name=name.value, value="1", as_of=NOW - timedelta(hours=1), fresh_seconds=60)
    made = [Figure(name, 1, NOW) for name in reversed(names)]
    return "figures", _by("name", [name.value for name in names]), lambda tx: kept_figures.keep(tx, made)


ORDERED: dict[str, Callable[[Connection], Prepared]] = {
    "functions.admin_codes.store.invalidate": _codes("generated", admin_codes.invalidate),
    "functions.admin_codes.store.reuse": _codes("invalidated", admin_codes.reuse),
    "functions.admin_comps.store.lock_rules": _rules,
    "functions.admin_scans.store.lock": _flagged,
    "functions.affiliate.chip_store.lock_lots": _lots,
    "functions.affiliate_week.payout_store._proposed": _proposed,
    "functions.codes_change.store.invalidate": _chunk("generated", codes_change.invalidate),
    "functions.codes_change.store.reuse": _chunk("invalidated", codes_change.reuse),
    "functions.figure_rollup.store.keep": _kept_figures,
    "functions.notifications.store.mark_read": _notifications,
    "functions.orders.buyer_records.lock_carts": _carts,
    "functions.referral_refresh.figures_store.add_chips": _figures_of_scans,
    "functions.referral_refresh.figures_store.add_shares": _figures_of_week,
    "functions.referral_refresh.review_store.lock_referrals": _referrals,
    "functions.scans.records.count_wrong_codes": _wrong_codes,
    "functions.scans.store.lock codes": _codes("generated", lambda tx, macs: scans.lock(tx, macs[::-1], [])),
    "functions.scans.store.lock members": _totals(lambda tx, people: scans.lock(tx, [], people[::-1])),
    "shared.codes.changes._mark": _codes("generated", lambda tx, macs: changes._mark(tx, macs, NOW)),
    "shared.comps.awards.pay_pending": _pending,
    "shared.comps.totals.lock_of_payouts": _totals_of_payouts,
    "shared.messages.notifications.notify_many": _inboxes,
    "shared.messages.notifications.retract": _social_notes,
    "functions.governance.store.lock": _votes,
    "functions.governance.store.add": _vote_options,
    "shared.social.heads.take": _heads,
    "shared.social.standings.lock": _standings,
    "shared.payouts.reads.load_all": _payouts,
    "shared.payouts.reads.of_sources": _payouts_of_sources,
    "shared.payouts.slots.reload_locked": _slots,
}


def test_every_statement_that_locks_rows_in_an_order_is_tried() -> None:
    """Statements with SKIP LOCKED are left out, because they never wait."""
    ordering = {
        it.where
        for it in statements.of_product()
        if "ORDER BY" in it.text and "SKIP LOCKED" not in it.text and LOCKS_ROWS.search(it.text)
    }
    assert ordering == {name.partition(" ")[0] for name in ORDERED} | TRIED_ELSEWHERE.keys()


@pytest.mark.parametrize("name", ORDERED)
def test_the_first_row_is_locked_first_and_the_last_one_last(name: str, sql: Connection, platform: Platform) -> None:
    with unchecked(sql):
        table, rows, take = ORDERED[name](sql)
        column = rows[0].partition(" ")[0]
        sql.execute_simple(f"UPDATE {table} SET {column} = {column} WHERE {rows[0]}")  # it moves behind the others
    first, last = rows[0], rows[-1]

    for waited_for, other, is_taken in ((first, last, False), (last, first, True)):
        with held(platform, f"SELECT 1 FROM {table} WHERE {waited_for} FOR UPDATE"):
            locking = Thread(target=undone, args=[take])
            locking.start()
            until_waiting(sql, 1)
            assert is_locked(sql, table, other) == is_taken
        locking.join(30)


def undone(take: Take) -> None:
    """Do it and roll it back; however it ends, it has locked its rows."""

    def act(tx: Tx) -> None:
        take(tx)
        tx.run("SELECT 1")  # sends what travels with the next statement
        raise _Undone

    with suppress(Exception):
        db.atomically(act)


def test_strays_are_remembered_in_one_order(sql: Connection, platform: Platform) -> None:
    insert = "INSERT INTO live_stream_strays (channel, since) VALUES ('{}', now())".format
    with held(platform, insert("b")):
        waiting = Thread(target=undone, args=[lambda tx: streams.strays(tx, ["c", "b", "a"], NOW, NOW)])
        waiting.start()
        until_waiting(sql, 1)
        sql.execute_simple("SET lock_timeout = '100ms'")
        with pytest.raises(DatabaseError, match=LOCK_NOT_AVAILABLE):
            sql.execute_simple(insert("a"))
        sql.execute_simple(insert("c"))
    waiting.join(30)
