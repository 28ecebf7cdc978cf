"""Six-digit codes sent by mail, to prove an address or to set a new password. Each works once, within minutes.

A code belongs to the ticket that it was asked for with, a secret of the device: it works only with that ticket, and
neither guesses nor requests from elsewhere affect it. Codes asked for without a ticket are treated as if they shared
one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from functions.auth import store
from functions.auth.store import OpenCode
from shared import events
from shared.credentials import mailed_codes, sign_ups
from shared.db import Tx
from shared.events import MailQueued
from shared.messages import mails
from shared.messages.mails import Letter

Purpose = Literal["verify", "reset"]
TEMPLATES: dict[Purpose, str] = {"verify": "verify_email", "reset": "reset_password"}


@dataclass(frozen=True)
class Addressee:
    """The member who gets the code."""

    member_id: UUID
    email: str
    name: str


def send(tx: Tx, purpose: Purpose, to: Addressee, ticket: bytes | None, now: datetime) -> None:
    """Mail a new code; earlier codes with the same purpose and ticket stop working."""
    code = mailed_codes.new()
    store.replace_code(
        tx, code.id, to.member_id, purpose, ticket, code_mac=code.mac, now=now, until=now + mailed_codes.LIFE
    )
    template = TEMPLATES[purpose]
    key = f"{template.replace('_', '-')}:{code.id}"
    mails.queue(
        tx,
        Letter(to.email, to.name, template, {"name": to.name, "code": code.digits}, key, member_id=to.member_id),
        now,
    )


def ask(tx: Tx, purpose: Purpose, email: str, to: Addressee | None, ticket: bytes | None, now: datetime) -> None:
    """Answer a request for a code. An address without an account causes the same work as a member's, so timing tells
    nothing.
    """
    sign_ups.lock_address(tx, email)  # otherwise two codes made at once would both count as the newest
    if to:
        send(tx, purpose, to, ticket, now)
    else:
        _pretend(tx, purpose, email, ticket, now)


def is_right(tx: Tx, purpose: Purpose, email: str, given: str, ticket: bytes | None, now: datetime) -> bool:
    """Whether this code is open for the address and ticket. A wrong code is counted; a right one is not yet spent."""
    return _right(tx, purpose, email, given, ticket, now=now) is not None


def spend(tx: Tx, purpose: Purpose, email: str, given: str, ticket: bytes | None, now: datetime) -> UUID | None:
    """Spend the code, lock the address, and return the member who has proved it; None for a wrong code, which is
    counted.
    """
    sign_ups.lock_address(tx, email)
    code = _right(tx, purpose, email, given, ticket, now=now)
    if code is None:
        return None
    store.use_codes(tx, code.member_id, purpose, now)
    return code.member_id


def _right(tx: Tx, purpose: Purpose, email: str, given: str, ticket: bytes | None, now: datetime) -> OpenCode | None:
    code = store.open_code(tx, email, purpose, ticket, now)
    if code is None or code.attempts >= mailed_codes.ATTEMPTS_MAX:
        return None
    if not mailed_codes.matches(code.id, code.code_mac, given):
        store.count_code_attempt(tx, code.id)
        return None
    return code


def _pretend(tx: Tx, purpose: Purpose, email: str, ticket: bytes | None, now: datetime) -> None:
    """Run the same statements as `send` without sending anything: the MailQueued event names a mail that does not
    exist.
    """
    code = mailed_codes.new()
    store.replace_code(tx, code.id, uuid4(), purpose, ticket, code_mac=code.mac, now=now, until=now + mailed_codes.LIFE)
    store.queue_no_mail(tx, email, TEMPLATES[purpose], now)
    events.emit(tx, now, MailQueued(mail_id=uuid4()))
