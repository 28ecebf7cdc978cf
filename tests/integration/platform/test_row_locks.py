"""Every row lock of the product is taken, on the row that is meant and on no other.

They are read out of the product: a new one fails here until it is tried, or a test of what it is for is named.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

import functions.admin_affiliates.review_store as referral_reviews
import functions.admin_codes.store as admin_codes
import functions.admin_comps.store as admin_comps
import functions.admin_scans.store as admin_scans
import functions.admin_shop.store as admin_shop
import functions.admin_treasury.store as admin_treasury
import functions.admin_trips.store as admin_trips
import functions.admin_wholesale.store as admin_wholesale
import functions.auth.store as auth_store
import functions.avatar_publish.store as avatar_publish
import functions.broadcast_send.store as broadcast_send
import functions.codes_change.store as codes_change
import functions.codes_generate.store as codes_generate
import functions.codes_import.store as codes_import
import functions.comps.store as comps_store
import functions.profile.store as profile
import functions.reconciliation.store as reconciliation
import functions.scans.store as scans
import functions.unlock_refresh.store as unlock_refresh
import functions.wallet.store as wallet
import functions.wholesale.store as wholesale
from emulators.contract import ROOT
from functions.admin_affiliates import earning_store
from functions.admin_comps import review_store
from functions.admin_treasury import card_records
from functions.affiliate import chip_store
from functions.email_send import store as email_send
from functions.orders import buyer_records
from functions.referral_refresh import review_store as found_reviews
from shared import db, withdrawals
from shared.affiliates import earnings
from shared.comps import awards, guarantee_claims, totals
from shared.credentials import totp
from shared.db import Tx
from shared.members import downline, suspensions
from shared.orders import rows as orders
from shared.orders import standings
from shared.orders.states import OrderKind
from shared.payouts import reads, slots
from tests import factories
from tests.factories import NOW
from tests.fakes import order_rows
from tests.fakes.card_lists import payment_finding
from tests.fakes.locks import is_locked
from tests.fakes.plain_rows import OTHER_SIGNER, SIGNER, at, comp, payout, put, slot, unchecked, withdrawal
from tests.fakes.ring_rows import Rings
from tests.fakes.shop_client import MINT
from tests.fakes.week_rows import manual_earning
from tests.fakes.wholesale_rows import wholesale_account, wholesale_member
from tests.integration.platform.locks_elsewhere import TRIED_ELSEWHERE
from tests.mutation.place import product
from tests.mutation.python import places

T = TypeVar("T")

Take = Callable[[Tx], object]
Prepared = tuple[str, str, str, Take]  # the table, a condition for the row that is locked, for one that is not, the act

# What a lock is for is tried with several at once, by the tests that are named.


def _then_asked(take: Callable[[Tx, T], None]) -> Callable[[Tx, T], None]:
    """For a statement that travels with the next one."""

    def both(tx: Tx, one: T) -> None:
        take(tx, one)
        tx.run("SELECT 1")

    return both


def _of(table: str, one: UUID, other: UUID, take: Take, key: str = "id") -> Prepared:
    return table, f"{key} = '{one}'", f"{key} = '{other}'", take


def _members(take: Callable[[Tx, UUID], object]) -> Callable[[Connection], Prepared]:
    """Locks the member's own row."""

    def prepare(sql: Connection) -> Prepared:
        assert sql
        one, other = factories.member(), factories.member()
        return _of("members", one.id, other.id, lambda tx: take(tx, one.id))

    return prepare


def _rows(
    table: str, make: Callable[[Connection], UUID], take: Callable[[Tx, UUID], object], key: str = "id"
) -> Callable[[Connection], Prepared]:
    """The first of two rows is the one that it locks."""

    def prepare(sql: Connection) -> Prepared:
        one, other = make(sql), make(sql)
        return _of(table, one, other, lambda tx: take(tx, one), key)

    return prepare


def _batch(sql: Connection) -> UUID:
    made = uuid4()
    put(sql, "code_batches", id=made, name="x", product_sku="MINTICE-6", quantity=1, created_by=uuid4(), created_at=NOW)
    return made


def _import(sql: Connection) -> UUID:
    made = uuid4()
    put(sql, "code_imports", id=made, object_name=str(made), created_by=uuid4(), created_at=NOW)
    return made


def _walk(sql: Connection) -> UUID:
    made = uuid4()
    put(sql, "code_batch_walks", change_id=made, batch_id=_batch(sql), kind="invalidated", chunks=1)
    return made


def _comp(sql: Connection) -> UUID:
    return comp(sql, factories.member().id, 0)


def _flagged(sql: Connection) -> UUID:
    assert sql
    return factories.flagged_scan()


def _finding(sql: Connection) -> UUID:
    made = uuid4()
    put(sql, "reconciliation_findings", id=made, reconciliation_id=uuid4(), treasury="member", kind="balance_differs",
        ref=str(made), expected=0, found=1, found_at=NOW)  # fmt: skip
    return made


def _run(sql: Connection) -> UUID:
    made = uuid4()
    put(sql, "reconciliations", id=made, requested_by=uuid4(), requested_at=NOW)
    return made


def _factor(sql: Connection) -> UUID:
    somebody = factories.member()
    put(sql, "second_factors", member_id=somebody.id, sealed_secret=b"x", created_at=NOW, enabled_at=NOW)
    return somebody.id


def _broadcast(sql: Connection) -> UUID:
    made = uuid4()
    put(sql, "broadcasts", id=made, title="x", body="x", data={}, created_by=uuid4(), created_at=NOW, last_number=1)
    return made


def _totals(sql: Connection) -> UUID:
    assert sql
    return factories.member().id


def _guarantee(sql: Connection) -> UUID:
    somebody = uuid4()
    put(sql, "guarantees", member_id=somebody, verified_on=NOW.date())
    return somebody


def _review(sql: Connection) -> Prepared:
    """With the guarantee that it is about, which comes first."""
    people, (one, other) = [_guarantee(sql) for _ in range(2)], (uuid4(), uuid4())
    for review, somebody in zip((one, other), people, strict=True):
        put(sql, "guarantee_reviews", id=review, member_id=somebody, score=50, signals='["x"]', asked_at=NOW)
    return _of("guarantee_reviews", one, other, lambda tx: review_store.lock(tx, one))


def _referral_review(sql: Connection) -> Prepared:
    one, other = (Rings(sql).review_between(factories.member().id, factories.member().id) for _ in range(2))
    return _of("referral_reviews", one, other, lambda tx: referral_reviews.lock(tx, one))


def _referral(sql: Connection) -> Prepared:
    del sql
    one, other = (factories.member(referred_by=factories.member()).id for _ in range(2))
    return _of("referrals", one, other, lambda tx: found_reviews.lock_referrals(tx, [one]), "referred_id")


def _totals_of(sql: Connection) -> Prepared:
    one, other = factories.member(), factories.member()
    won = comp(sql, one.id, 0)
    take = _then_asked(totals.lock_of_comp)
    return _of("member_totals", one.id, other.id, lambda tx: take(tx, won), "member_id")


def _totals_of_winners(sql: Connection) -> Prepared:
    """Only the payout of a comp has a winner; the other member's payout comes from elsewhere."""
    one, other = factories.member(), factories.member()
    payouts = [payout(sql, 0, member_id=one.id, source_kind="comp"), payout(sql, 0, member_id=other.id)]
    return _of("member_totals", one.id, other.id, lambda tx: totals.lock_of_payouts(tx, payouts), "member_id")


def _totals_of_referrer(sql: Connection) -> Prepared:
    assert sql
    affiliate, other = factories.member(), factories.member()
    buyer = factories.member(referred_by=affiliate)
    take = _then_asked(downline._lock_referrer)
    return _of("member_totals", affiliate.id, other.id, lambda tx: take(tx, buyer.id), "member_id")


def _mail(sql: Connection) -> UUID:
    made = uuid4()
    put(sql, "mails", id=made, dedupe_key=str(made), to_email="x", to_name="x", template="x", parameters={},
        queued_at=NOW)  # fmt: skip
    return made


def _email_change(sql: Connection) -> UUID:
    somebody = uuid4()
    put(sql, "email_changes", member_id=somebody, id=uuid4(), new_email="x", code_mac=b"x", asked_at=NOW,
        expires_at=at(9))  # fmt: skip
    return somebody


def _payout(sql: Connection) -> UUID:
    return payout(sql, 0)


def _withdrawal(sql: Connection) -> UUID:
    return withdrawal(sql, 9)


def _of_source(tx: Tx, identity: UUID) -> object:
    return reads.of_sources(tx, {"test": str(identity)})


def _email_code(sql: Connection) -> Prepared:
    people, codes = [factories.member() for _ in range(2)], [uuid4() for _ in range(2)]
    for somebody, code in zip(people, codes, strict=True):
        put(sql, "email_codes", id=code, member_id=somebody.id, purpose="reset", code_mac=b"x", created_at=NOW,
            expires_at=at(9))  # fmt: skip
    take = auth_store.open_code
    return _of("email_codes", codes[0], codes[1], lambda tx: take(tx, people[0].email, "reset", None, NOW))


def _refresh_token(sql: Connection) -> Prepared:
    for number in (1, 2):
        session = factories.session_of(factories.member())
        put(sql, "refresh_tokens", token_hash=bytes([number]), session_id=session, issued_at=NOW, expires_at=at(9))
    return (
        "refresh_tokens", "token_hash = '\\x01'", "token_hash = '\\x02'",
        lambda tx: auth_store.refresh_token(tx, b"\x01"),
    )  # fmt: skip


def _challenge(sql: Connection) -> Prepared:
    somebody, (one, other) = uuid4(), (uuid4(), uuid4())
    for challenge in (one, other):
        put(sql, "wallet_challenges", id=challenge, member_id=somebody, address=SIGNER, message="x", created_at=NOW,
            expires_at=at(9))  # fmt: skip
    return _of("wallet_challenges", one, other, lambda tx: wallet.open_challenge(tx, one, somebody, NOW))


def _lock_code(tx: Tx, mac: bytes) -> None:
    scans.lock(tx, [mac], [])


def _codes(sql: Connection) -> Prepared:
    assert sql
    one, other = (factories.mac(code) for code in factories.manufactured_codes(2))
    take = _then_asked(_lock_code)
    return "codes", f"mac = '\\x{one.hex()}'", f"mac = '\\x{other.hex()}'", lambda tx: take(tx, one)


def _signer(sql: Connection) -> Prepared:
    for number, address in enumerate((SIGNER, OTHER_SIGNER)):
        put(sql, "signers", address=address, treasury="member", kms_version=f"v{number}", status="draining",
            created_at=NOW)  # fmt: skip

    known = slots.Signer(
        address=SIGNER, treasury="member", kms_version="v0", next_nonce=0, epoch=0, status="draining",
        rebuild_asked_at=None, sealed_below=None,
    )  # fmt: skip
    return (
        "signers", f"address = '{SIGNER}'", f"address = '{OTHER_SIGNER}'", lambda tx: slots.is_still(tx, known)
    )  # fmt: skip


def _slots(sql: Connection) -> Prepared:
    for nonce in (1, 2):
        slot(sql, nonce)
    return "payout_slots", "nonce = 1", "nonce = 2", lambda tx: slots.reload_locked(tx, SIGNER, [1])


def _treasuries(take: Take) -> Callable[[Connection], Prepared]:
    return lambda _: ("treasuries", "name = 'member'", "name = 'affiliate'", take)


def _marks(sql: Connection) -> Prepared:
    put(sql, "reconciliation_marks", treasury="member")
    put(sql, "reconciliation_marks", treasury="affiliate")
    return (
        "reconciliation_marks", "treasury = 'member'", "treasury = 'affiliate'",
        lambda tx: reconciliation.lock_treasury(tx, "member"),
    )  # fmt: skip


def _product(_: Connection) -> Prepared:
    return "products", "sku = 'COFFEE-3'", "sku = 'COFFEE-6'", lambda tx: admin_shop.lock(tx, "COFFEE-3")


def _cart(_: Connection) -> Prepared:
    one, other = (factories.member() for _ in range(2))
    assert order_rows.cart(one) != order_rows.cart(other)
    return _of("carts", one.id, other.id, lambda tx: buyer_records.lock_carts(tx, [one.id]), "member_id")


def _order(take: Callable[[Tx, UUID, UUID], object]) -> Callable[[Connection], Prepared]:
    def prepared(_: Connection) -> Prepared:
        order_rows.counted(10)
        who = factories.member()
        one, other = (order_rows.placed(who, {MINT: 1}) for _ in range(2))
        return _of("orders", one, other, lambda tx: take(tx, who.id, one))

    return prepared


def _lots(sql: Connection) -> Prepared:
    """The lots of one member; those of another stay free."""
    people, (one, other) = [factories.member().id for _ in range(2)], (uuid4(), uuid4())
    for person, lot in zip(people, (one, other), strict=True):
        put(sql, "vault_lots", id=lot, affiliate_id=person, kind="manual", week_on=NOW.date(), chips=1, left_chips=1,
            vaulted_at=NOW, expires_at=NOW + timedelta(days=365))  # fmt: skip
    return _of("vault_lots", one, other, lambda tx: chip_store.lock_lots(tx, people[0], NOW))


LOCKS: dict[str, Callable[[Connection], Prepared]] = {
    "functions/admin_affiliates/earning_store.py::lock_award": _rows(
        "affiliate_earnings", manual_earning, earning_store.lock_award
    ),
    "functions/admin_codes/store.py::lock_batch": _rows("code_batches", _batch, admin_codes.lock_batch),
    "functions/admin_wholesale/store.py::lock": _rows(
        "wholesale_accounts", lambda _: wholesale_account(), _then_asked(admin_wholesale.lock)
    ),
    "functions/wholesale/store.py::lock": _rows(
        "wholesale_accounts", lambda _: wholesale_member(), _then_asked(wholesale.lock), "member_id"
    ),
    "functions/admin_comps/store.py::lock_rules": lambda _: ("comp_rules", "true", "false", admin_comps.lock_rules),
    "functions/admin_comps/review_store.py::lock": _review,
    "functions/admin_affiliates/review_store.py::lock": _referral_review,
    "functions/referral_refresh/review_store.py::lock_referrals": _referral,
    "functions/admin_comps/store.py::winner": _members(admin_comps.winner),
    "functions/admin_scans/store.py::lock": _rows(
        "flagged_scans", _flagged, lambda tx, one: admin_scans.lock(tx, [one], uuid4()), "scan_id"
    ),
    "functions/admin_shop/store.py::lock": _product,
    "functions/admin_treasury/store.py::pool_state": _treasuries(lambda tx: admin_treasury.pool_state(tx, "member")),
    "functions/admin_treasury/store.py::lock_finding": _rows(
        "reconciliation_findings", _finding, admin_treasury.lock_finding
    ),
    "functions/admin_treasury/card_records.py::lock_finding": _rows(
        "payment_findings", lambda _: payment_finding(), card_records.lock_finding
    ),
    "functions/admin_trips/store.py::lock": _rows("comps", _comp, _then_asked(admin_trips.lock)),
    "functions/affiliate/chip_store.py::lock_lots": _lots,
    "functions/auth/store.py::open_code": _email_code,
    "functions/auth/store.py::refresh_token": _refresh_token,
    "functions/avatar_publish/store.py::lock_member": _members(avatar_publish.lock_member),
    "functions/broadcast_send/store.py::lock": _rows("broadcasts", _broadcast, broadcast_send.lock),
    "functions/codes_change/store.py::lock_walk": _rows(
        "code_batch_walks", _walk, codes_change.lock_walk, "change_id"
    ),
    "functions/codes_generate/store.py::batch": _rows(
        "code_batches", _batch, lambda tx, one: codes_generate.batch(tx, one, lock=True)
    ),
    "functions/codes_import/store.py::get": _rows(
        "code_imports", _import, lambda tx, one: codes_import.get(tx, one, lock=True)
    ),
    "functions/comps/store.py::lock": _rows("comps", _comp, _then_asked(comps_store.lock)),
    "functions/email_send/store.py::mail": _rows("mails", _mail, email_send.mail),
    "functions/orders/buyer_records.py::lock_carts": _cart,
    "functions/profile/store.py::lock": _members(profile.lock),
    "functions/profile/store.py::email_change": _rows(
        "email_changes", _email_change, lambda tx, one: profile.email_change(tx, one, NOW), "member_id"
    ),
    "functions/reconciliation/store.py::run": _rows("reconciliations", _run, reconciliation.run),
    "functions/reconciliation/store.py::lock_treasury": _marks,
    "functions/scans/store.py::lock": _codes,
    "functions/unlock_refresh/store.py::lock":
        lambda _: ("sales_volume", "true", "false", lambda tx: unlock_refresh.lock(tx, NOW)),
    "functions/wallet/store.py::open_challenge": _challenge,
    "shared/affiliates/earnings.py::lock": _rows("affiliate_earnings", manual_earning, earnings.lock),
    "shared/comps/totals.py::lock_of_comp": _totals_of,
    "shared/comps/totals.py::lock_of_payouts": _totals_of_winners,
    "shared/comps/totals.py::lock": _rows("member_totals", _totals, totals.lock, "member_id"),
    "shared/comps/awards.py::_locked": _rows("comps", _comp, awards._locked),
    "shared/members/downline.py::_lock_referrer": _totals_of_referrer,
    "shared/comps/guarantee_claims.py::observe": _rows(
        "guarantees", _guarantee, lambda tx, one: guarantee_claims.observe(tx, one, [], NOW), "member_id"
    ),
    "shared/orders/rows.py::lock": _order(lambda tx, _, one: orders.lock(tx, one)),
    "shared/orders/standings.py::lock": _order(lambda tx, who, one: standings.lock(tx, OrderKind.RETAIL, who, one)),
    "shared/payouts/reads.py::load": _rows("payouts", _payout, reads.load),
    "shared/payouts/reads.py::load_all": _rows("payouts", _payout, lambda tx, one: reads.load_all(tx, [one])),
    "shared/payouts/reads.py::of_sources": _rows("payouts", _payout, _of_source),
    "shared/payouts/reads.py::treasury_of": _treasuries(lambda tx: reads.treasury_of(tx, "member")),
    "shared/payouts/slots.py::is_still": _signer,
    "shared/payouts/slots.py::reload_locked": _slots,
    "shared/members/suspensions.py::lock": _members(suspensions.lock),
    "shared/credentials/totp.py::_locked": _rows(
        "second_factors", _factor, lambda tx, one: totp._locked(tx, one, NOW), "member_id"
    ),
    "shared/withdrawals.py::load": _rows("withdrawals", _withdrawal, withdrawals.load),
}  # fmt: skip


def test_every_lock_of_the_product_is_tried() -> None:
    locking = {
        f"{place.path}::{place.function}"
        for path in product(ROOT)
        for place in places(str(path.relative_to(ROOT)), path.read_text())
        if place.kind == "sql lock dropped"
    }
    assert locking == set(LOCKS) | set(TRIED_ELSEWHERE), "add it to LOCKS, or name the test of what it is for"


@pytest.mark.parametrize("name", LOCKS)
def test_a_row_is_locked_until_the_transaction_ends(name: str, sql: Connection) -> None:
    with unchecked(sql):
        table, one, other, take = LOCKS[name](sql)
    with db.transaction() as tx:
        assert not is_locked(sql, table, one)
        take(tx)
        assert is_locked(sql, table, one)
        assert not is_locked(sql, table, other)
    assert not is_locked(sql, table, one)


def test_a_scans_member_is_locked_as_well(sql: Connection) -> None:
    one, other = factories.member(), factories.member()
    with db.transaction() as tx:
        scans.lock(tx, [], [one.id])
        tx.run("SELECT 1")
        assert is_locked(sql, "member_totals", f"member_id = '{one.id}'")
        assert not is_locked(sql, "member_totals", f"member_id = '{other.id}'")
