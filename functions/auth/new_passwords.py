"""Hashes new passwords before the transaction, and only when no cheaper check has refused the request."""

from dataclasses import dataclass
from datetime import datetime

from functions.auth import passwords, proofs, rules
from functions.auth.models import PasswordReset, Signup
from functions.auth.passwords import PasswordHash
from shared import db
from shared.credentials import mailed_codes
from shared.web.http import Client


@dataclass(frozen=True)
class ResetHash:
    """The new password's hash; None if the mailed code was wrong, because then nothing is hashed."""

    hash: PasswordHash | None


def of_sign_up(body: Signup, client: Client, now: datetime) -> PasswordHash:
    """Check all of a sign-up that needs no database, then hash the password. Raises TooYoung, PasswordTooWeak."""
    rules.check_age(body.date_of_birth, now.date())
    rules.check_password(body.password, [body.email, body.full_name, body.username or ""])
    return passwords.hashed(body.password, passwords.STRANGERS, client.network)


def of_reset(body: PasswordReset, now: datetime) -> ResetHash:
    """Hash the new password if the mailed code is right. A wrong code is counted, and takes equally long for an address
    without an account. Raises PasswordTooWeak.
    """
    rules.check_password(body.password, [body.email])
    ticket = mailed_codes.ticket_mark(body.ticket)
    if not db.atomically(proofs.is_right, "reset", body.email, body.code, ticket, now=now):
        return ResetHash(None)
    return ResetHash(passwords.hashed(body.password, passwords.KNOWN, body.email))
