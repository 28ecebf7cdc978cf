"""Six digits sent by mail: to prove an address, or to set a new password. Each works once, within minutes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from functions.auth import records, rules, store
from shared import events, mailed_codes, mails
from shared.db import Tx
from shared.events import MailQueued
from shared.http import Client
from shared.mails import Letter

Purpose = Literal["verify", "reset"]
TEMPLATES: dict[Purpose, str] = {"verify": "verify_email", "reset": "reset_password"}


@dataclass(frozen=True)
class Addressee:
    """Who gets the code."""

    member_id: UUID
    email: str
    name: str


def send(tx: Tx, purpose: Purpose, to: Addressee, now: datetime) -> None:
    """A new code by mail; earlier ones of the purpose stop working."""
    code = mailed_codes.new()
    store.replace_code(tx, code.id, to.member_id, purpose, code.mac, now, now + mailed_codes.LIFE)
    template = TEMPLATES[purpose]
    key = f"{template.replace('_', '-')}:{code.id}"
    mails.queue(tx, Letter(to.email, to.name, template, {"name": to.name, "code": code.digits}, key, to.member_id), now)


def ask(tx: Tx, purpose: Purpose, email: str, to: Addressee | None, client: Client, now: datetime) -> None:
    """Somebody wants a code for an address: nobody's request is counted, and makes work, as a member's does.

    Raises TooManyMailedCodes.
    """
    limits = rules.mailed_code_limits(purpose, email, client.network)
    counts = records.count_attempts(tx, list(limits), now)
    if any(counts[subject] > limit for subject, limit in limits.items()):
        raise rules.TooManyMailedCodes(headers={"Retry-After": str(rules.seconds_left_of_hour(now))})
    if to:
        send(tx, purpose, to, now)
    else:
        _pretend(tx, purpose, email, now)


def spend(tx: Tx, purpose: Purpose, email: str, given: str, now: datetime) -> UUID | None:
    """The member who has proved the address; None for a wrong code, which is counted."""
    code = store.open_code(tx, email, purpose, now)
    if code is None or code.attempts >= mailed_codes.ATTEMPTS_MAX:
        return None
    if not mailed_codes.matches(code.id, code.code_mac, given):
        store.count_code_attempt(tx, code.id)
        return None
    store.use_code(tx, code, now)
    return code.member_id


def _pretend(tx: Tx, purpose: Purpose, email: str, now: datetime) -> None:
    """What `send` does, to nobody: the same statements, and a message about a mail that there is not."""
    code = mailed_codes.new()
    store.replace_code(tx, code.id, uuid4(), purpose, code.mac, now, now + mailed_codes.LIFE)
    store.queue_no_mail(tx, email, TEMPLATES[purpose], now)
    events.emit(tx, now, MailQueued(mail_id=uuid4()))
