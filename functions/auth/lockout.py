"""Limits how often passwords can be guessed, by account, network and device.

A try is counted before the password is hashed, and given back when the password was right; above the limits nothing is
hashed. Tries are counted per account and network, per network, and per account. The last count grows only while the
first two have room, so that no single network can use it up. Devices that have signed in to the account are counted one
by one and hash in a separate room: strangers can neither lock them out nor slow them down, and they lock out nobody
else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.auth import limits, passwords, records, rules, store, tokens
from functions.auth.models import Login
from shared import db
from shared.credentials import mailed_codes
from shared.db import Tx
from shared.values.problems import Overloaded
from shared.web import quotas
from shared.web.http import Client
from shared.web.quotas import Quota


@dataclass(frozen=True)
class PasswordChecked:
    """The account of the address, and whether the password was right. If `locked`, the password was not compared at
    all.
    """

    account: store.Credentials | None
    right: bool
    locked: bool = False


@dataclass(frozen=True)
class _Try:
    account: store.Credentials | None
    counted: Sequence[Sequence[Quota]]
    locked: bool
    room: passwords.Room
    who: str


def check_password(body: Login, client: Client, now: datetime) -> PasswordChecked:
    """Compare the password, outside the transaction; it takes equally long if there is no such account. Raises
    Overloaded.
    """
    begun = db.atomically(_begin, body, client.network, now)
    if begun.locked:
        return PasswordChecked(begun.account, right=False, locked=True)
    stored = begun.account.password_hash if begun.account else None
    try:
        found = passwords.compared(body.password, stored, begun.room, begun.who)
    except Overloaded:
        db.atomically(quotas.give_back_in_turn, begun.counted, now)
        raise
    if found.right:
        db.atomically(quotas.give_back_in_turn, begun.counted, now)
    if found.renewed and begun.account:
        account, renewed = begun.account, found.renewed
        db.atomically(store.renew_password_hash, account.id, account.password_hash, renewed.text, now)
    return PasswordChecked(begun.account, found.right)


def _begin(tx: Tx, body: Login, network: str, now: datetime) -> _Try:
    """Count the try. The same statements run whether the address has an account or not, so the timing tells nothing."""
    account = store.credentials(tx, body.email, mailed_codes.ticket_mark(body.device.token))
    if body.device.token:
        device = tokens.secret_hash(body.device.token).hex()
        own = [Quota(f"sign-in on device {device}", rules.FAILED_SIGN_INS_MAX)]
        known = records.is_known_device(tx, body.device.token, body.email, now)
        if known and not quotas.used_up(own, quotas.count(tx, own, now)):
            return _Try(account, [own], locked=False, room=passwords.KNOWN, who=body.email)
    strangers = limits.of_sign_ins(body.email, network)
    locked = bool(quotas.count_in_turn(tx, strangers, now))
    return _Try(account, strangers, locked, passwords.STRANGERS, network)
