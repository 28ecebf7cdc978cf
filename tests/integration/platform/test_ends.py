"""Whatever ends at a moment is there until then, and no longer at that moment.

The statements are read out of the product: a new one fails here until it is tried.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

import functions.admin_banks.store as bank_store
import functions.affiliate_vault.store as vault_store
import functions.auth.store as auth_store
import functions.hook_send.store as hook_store
import functions.notify.store as notify
import functions.profile.store as profile
import functions.social.pin_store as chat_pins
import functions.wallet.store as wallet
from functions.admin_settings import key_store
from functions.affiliate import chip_store
from functions.auth import session_records
from shared import auth, db
from shared.affiliates import chips as held_chips
from shared.auth import Claims
from shared.db import Tx
from shared.messages import hooks
from shared.orders import tax_quotes
from shared.values.api_keys import API_KEYS_MAX
from shared.values.problems import TokenNotValid
from shared.web import keys
from tests import factories, statements
from tests.factories import NOW, Somebody
from tests.fakes.plain_rows import SIGNER, at, put, unchecked

ENDS_LATER = re.compile(r"\b(expires_at|ends_at) > :now\b")
TICK = timedelta(microseconds=1)
END = at(5)
Found = Callable[[Tx, datetime], object]  # what is there at a moment; nothing, or an empty list, when it is not


@pytest.fixture(autouse=True)
def _nothing_is_checked(sql: Connection) -> Iterator[None]:
    with unchecked(sql):
        yield


def _email_code(sql: Connection, somebody: Somebody) -> Found:
    put(sql, "email_codes", id=uuid4(), member_id=somebody.id, purpose="reset", code_mac=b"x", created_at=NOW,
        expires_at=END)  # fmt: skip
    return lambda tx, now: auth_store.open_code(tx, somebody.email, "reset", None, now)


def _email_change(sql: Connection, somebody: Somebody) -> None:
    put(sql, "email_changes", member_id=somebody.id, id=uuid4(), new_email="x@example.com", code_mac=b"x", asked_at=NOW,
        expires_at=END)  # fmt: skip


def _pending_email(sql: Connection, somebody: Somebody) -> Found:
    _email_change(sql, somebody)
    return lambda tx, now: profile.profile(tx, somebody.id, now).pending_email


def _waiting_change(sql: Connection, somebody: Somebody) -> Found:
    _email_change(sql, somebody)
    return lambda tx, now: profile.email_change(tx, somebody.id, now)


def _challenge(sql: Connection, somebody: Somebody) -> Found:
    made = uuid4()
    put(sql, "wallet_challenges", id=made, member_id=somebody.id, address=SIGNER, message="x", created_at=NOW,
        expires_at=END)  # fmt: skip
    return lambda tx, now: wallet.open_challenge(tx, made, somebody.id, now)


def _session(sql: Connection, somebody: Somebody) -> UUID:
    """The member's session, which ends at that moment."""
    session = factories.session_of(somebody)
    sql.execute_unnamed(
        "UPDATE sessions SET created_at = created_at + ($1 - ends_at), last_used_at = last_used_at + ($1 - ends_at)",
        (END,),
    )
    assert sql.execute_simple("SELECT ends_at FROM sessions").rows == [[END]]
    return session


def _live(sql: Connection, somebody: Somebody) -> Found:
    _session(sql, somebody)
    return lambda tx, now: session_records.live(tx, somebody.id, now)


def _caller(sql: Connection, somebody: Somebody) -> Found:
    claims = Claims(somebody.id, _session(sql, somebody))
    return lambda tx, now: [it for it in auth.members(tx, [claims], now) if isinstance(it, auth.Member)]


def _device(sql: Connection, somebody: Somebody) -> tuple[notify.Notification, UUID]:
    session, device = _session(sql, somebody), uuid4()
    put(sql, "devices", id=device, member_id=somebody.id, session_id=session, platform="ios", token="x",
        registered_at=NOW)  # fmt: skip
    told = uuid4()
    put(sql, "notifications", id=told, member_id=somebody.id, type="system", title="x", body="x", data={},
        dedupe_key="x", created_at=NOW)  # fmt: skip
    note = notify.Notification(told, somebody.id, "system", "x", "x", None, {}, {}, "en", NOW, read=False, wanted=True)
    return note, device


def _waiting_devices(sql: Connection, somebody: Somebody) -> Found:
    note, _ = _device(sql, somebody)
    return lambda tx, now: notify.waiting(tx, note, now, 9)


def _claimed_device(sql: Connection, somebody: Somebody) -> Found:
    note, device = _device(sql, somebody)
    return lambda tx, now: notify.claim(tx, note, device, now, now)


def _quote(sql: Connection, somebody: Somebody) -> Found:
    basis = bytes(32)
    put(sql, "tax_quotes", id=uuid4(), member_id=somebody.id, basis=basis, tax=0, shipping=0, lines={}, breakdown=[],
        quoted_at=NOW, expires_at=END)  # fmt: skip
    return lambda tx, now: tax_quotes.find(tx, somebody.id, basis, now)


def _lot(sql: Connection, somebody: Somebody) -> None:
    put(sql, "vault_lots", id=uuid4(), affiliate_id=somebody.id, kind="manual", week_on=NOW.date(), chips=1,
        left_chips=1, vaulted_at=END - timedelta(days=365), expires_at=END)  # fmt: skip


def _vaulted(sql: Connection, somebody: Somebody) -> Found:
    _lot(sql, somebody)
    return lambda tx, now: held_chips.standing(tx, somebody.id, now).vaulted


def _lots(sql: Connection, somebody: Somebody) -> Found:
    _lot(sql, somebody)
    return lambda tx, now: chip_store.lots(tx, somebody.id, now)


def _lots_to_withdraw(sql: Connection, somebody: Somebody) -> Found:
    _lot(sql, somebody)
    return lambda tx, now: chip_store.lock_lots(tx, somebody.id, now)


def _lots_to_warn_of(sql: Connection, somebody: Somebody) -> Found:
    _lot(sql, somebody)
    return lambda tx, now: vault_store.unwarned(tx, UUID(int=0), now)


def _warned_lots(sql: Connection, somebody: Somebody) -> Found:
    _lot(sql, somebody)
    return lambda tx, now: vault_store.note_warned(tx, [somebody.id], now)


def _bank_nonce(sql: Connection, somebody: Somebody) -> Found:
    nonce = uuid4()
    with unchecked(sql):
        put(sql, "bank_nonces", id=nonce, admin_id=somebody.id, expires_at=END)
    return lambda tx, now: bank_store.spend_nonce(tx, nonce, somebody.id, now)


def _api_keys(sql: Connection, somebody: Somebody, number: int) -> None:
    for each in range(number):
        put(sql, "api_keys", id=uuid4(), hash=bytes([each]) * 32, name="x", operations=["get_health"],
            made_by=somebody.id, made_at=END - timedelta(days=90), expires_at=END)  # fmt: skip


def _good_key(sql: Connection, somebody: Somebody) -> Found:
    _api_keys(sql, somebody, 1)

    def found(tx: Tx, now: datetime) -> object:
        try:
            return keys._good(tx, bytes(32), now)
        except TokenNotValid:
            return None

    return found


def _too_many_keys(sql: Connection, somebody: Somebody) -> Found:
    _api_keys(sql, somebody, API_KEYS_MAX)

    def found(tx: Tx, now: datetime) -> object:
        try:
            return not key_store.make(tx, somebody.id, "x", ["get_health"], now)
        except key_store.TooManyApiKeys:
            return True

    return found


def _hook_secret(sql: Connection) -> UUID:
    endpoint = uuid4()
    put(sql, "hook_endpoints", id=endpoint, url="https://receiver.test/", kinds=["order.shipped"], state="enabled",
        state_at=NOW, created_at=NOW)  # fmt: skip
    put(sql, "hook_secrets", id=uuid4(), endpoint_id=endpoint, sealed=b"x", created_at=NOW, ends_at=END)
    return endpoint


def _signing_secret(sql: Connection, _: Somebody) -> Found:
    endpoint = _hook_secret(sql)
    return lambda tx, now: hook_store.secrets(tx, endpoint, now)


def _older_secret(sql: Connection, _: Somebody) -> Found:
    _hook_secret(sql)
    return lambda tx, now: hooks.endpoints(tx, None, now)[0].older_secret_until


def _pinned(sql: Connection, somebody: Somebody) -> Found:
    ((channel,),) = sql.execute_simple("SELECT id FROM social_channels LIMIT 1").rows
    put(sql, "social_pins", message_id=uuid4(), channel_id=channel, number=1, text="x", media_type="none",
        posted_at=NOW, pinned_by=somebody.id, pinned_at=NOW, expires_at=END)  # fmt: skip
    return lambda tx, now: chat_pins.pins(tx, channel, now)


ENDING: dict[str, Callable[[Connection, Somebody], Found]] = {
    "functions.admin_banks.store.spend_nonce": _bank_nonce,
    "functions.affiliate.chip_store.lock_lots": _lots_to_withdraw,
    "functions.affiliate.chip_store.lots": _lots,
    "shared.affiliates.chips.standing": _vaulted,
    "functions.affiliate_vault.store.note_warned": _warned_lots,
    "functions.affiliate_vault.store.unwarned": _lots_to_warn_of,
    "functions.admin_settings.key_store.make": _too_many_keys,
    "functions.hook_send.store.secrets": _signing_secret,
    "functions.auth.session_records.live": _live,
    "functions.auth.store.open_code": _email_code,
    "functions.notify.store.claim": _claimed_device,
    "functions.notify.store.waiting": _waiting_devices,
    "shared.orders.tax_quotes.find_many": _quote,
    "functions.profile.store.email_change": _waiting_change,
    "functions.profile.store.profile": _pending_email,
    "functions.social.pin_store.pins": _pinned,
    "functions.wallet.store.open_challenge": _challenge,
    "shared.auth.members": _caller,
    "shared.messages.hooks._rows": _older_secret,
    "shared.web.keys._good": _good_key,
}


def test_every_statement_that_leaves_out_what_has_ended_is_tried() -> None:
    assert {it.where for it in statements.of_product() if ENDS_LATER.search(it.text)} == set(ENDING)


@pytest.mark.parametrize("name", ENDING)
def test_it_is_there_until_its_end_and_not_at_its_end(name: str, sql: Connection) -> None:
    found = ENDING[name](sql, factories.member())
    there = [bool(db.atomically(found, now)) for now in (END, END - TICK)]
    assert there == [False, True]
