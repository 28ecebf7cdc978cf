"""Asks signed-in members for the password once more, so that a stolen session alone cannot change how to sign in."""

from dataclasses import dataclass
from datetime import datetime

from functions.auth import passwords, rules, store
from functions.auth.models import PasswordChange, SecondFactorEnd, SecondFactorStart
from functions.auth.passwords import PasswordHash
from functions.auth.store import Credentials
from shared import db
from shared.auth import Claims
from shared.values.problems import Overloaded, Problem
from shared.web import quotas
from shared.web.quotas import Quota


@dataclass(frozen=True)
class PasswordRepeated:
    """Whether the repeated password was right."""

    right: bool


@dataclass(frozen=True)
class PasswordsCompared:
    """The hash of the new password; None if the current password was wrong."""

    new: PasswordHash | None


def for_set_up(body: SecondFactorStart, claims: Claims, now: datetime) -> PasswordRepeated:
    """Compare the password before two-factor authentication is set up, outside the transaction."""
    return PasswordRepeated(_is_right(body.password, _account(claims), now))


def for_end(body: SecondFactorEnd, claims: Claims, now: datetime) -> PasswordRepeated:
    """Compare the password before two-factor authentication is disabled, outside the transaction."""
    return PasswordRepeated(_is_right(body.password, _account(claims), now))


def for_change(body: PasswordChange, claims: Claims, now: datetime) -> PasswordsCompared:
    """Compare the current password and hash the new one, outside the transaction. Raises PasswordTooWeak."""
    account = _account(claims)
    rules.check_password(body.password, [account.email, account.full_name])
    if not _is_right(body.current_password, account, now):
        return PasswordsCompared(None)
    return PasswordsCompared(passwords.hashed(body.password, passwords.KNOWN, str(account.id)))


def check(repeated: PasswordRepeated) -> Problem | None:
    """Return the problem for a wrong password, None for a right one."""
    return None if repeated.right else rules.PasswordWrong()


def _is_right(password: str, account: Credentials, now: datetime) -> bool:
    """Compare the password. The try is counted first; after too many in an hour it returns False without hashing."""
    quota = [Quota(f"password of {account.id}", rules.REAUTHENTICATIONS_MAX)]
    if quotas.used_up(quota, db.atomically(quotas.count, quota, now)):
        return False
    try:
        found = passwords.compared(password, account.password_hash, passwords.KNOWN, str(account.id))
    except Overloaded:
        db.atomically(quotas.give_back, quota, now)
        raise
    if found.right:
        db.atomically(quotas.give_back, quota, now)
    if renewed := found.renewed:
        db.atomically(store.renew_password_hash, account.id, account.password_hash, renewed.text, now)
    return found.right


def _account(claims: Claims) -> Credentials:
    found = db.atomically(store.credentials_of, claims.member_id)
    assert found, "a member with a session exists"
    return found
