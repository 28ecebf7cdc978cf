"""Requires a fresh sign-in for acts that take over an account, end it, or move its money."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.db import Tx
from shared.values.problems import NotAllowed

RECENT_SIGN_IN = timedelta(minutes=10)


class SignInAgain(NotAllowed):
    """Raised when the caller has not signed in within the last ten minutes."""

    title = "Sign in again first."


def check(tx: Tx, session_id: UUID, now: datetime) -> None:
    """Check that the session began recently. Raises SignInAgain. Refreshing a token does not make a session newer."""
    began = tx.scalar(datetime, "SELECT created_at FROM sessions WHERE id = :id", id=session_id)
    if now - began > RECENT_SIGN_IN:
        raise SignInAgain
