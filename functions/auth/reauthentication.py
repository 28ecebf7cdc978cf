"""The password once more, of somebody who is signed in: a stolen session alone must not change how to sign in."""

from dataclasses import dataclass
from datetime import datetime

from functions.auth import passwords, records, rules, store
from functions.auth.models import PasswordChange, SecondFactorEnd, SecondFactorStart
from functions.auth.passwords import PasswordHash
from shared import db
from shared.auth import Claims, Member
from shared.db import Tx
from shared.problems import Problem


@dataclass(frozen=True)
class PasswordRepeated:
    """Whether it was right."""

    right: bool


@dataclass(frozen=True)
class PasswordsCompared:
    """Whether the present one was right, and the hash of the new one."""

    right: bool
    new: PasswordHash


def for_set_up(body: SecondFactorStart, claims: Claims) -> PasswordRepeated:
    """Outside the transaction."""
    return _repeated(body.password, claims)


def for_end(body: SecondFactorEnd, claims: Claims) -> PasswordRepeated:
    """Outside the transaction."""
    return _repeated(body.password, claims)


def for_change(body: PasswordChange, claims: Claims) -> PasswordsCompared:
    """Outside the transaction. Raises PasswordTooWeak."""
    account = db.atomically(lambda tx: store.credentials_of(tx, claims.member_id))
    known = [account.email, account.full_name] if account else []
    rules.check_password(body.password, known)
    right = passwords.matches(body.current_password, account.password_hash if account else None)
    return PasswordsCompared(right, passwords.hashed(body.password))


def check(tx: Tx, member: Member, repeated: PasswordRepeated | PasswordsCompared, now: datetime) -> Problem | None:
    """The refusal of a wrong password, to be returned: it is counted. Too many in an hour, and none is right."""
    subject = f"password of {member.id}"
    look = records.attempts if repeated.right else records.count_attempts
    wrong = look(tx, [subject], now)[subject]
    return None if repeated.right and wrong < rules.REAUTHENTICATIONS_MAX else rules.PasswordWrong()


def _repeated(password: str, claims: Claims) -> PasswordRepeated:
    account = db.atomically(lambda tx: store.credentials_of(tx, claims.member_id))
    return PasswordRepeated(passwords.matches(password, account.password_hash if account else None))
