"""Six digits sent by mail: to prove an address, or to set a new password. Each works once, within minutes."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from functions.auth import records, rules, store
from shared import events, mails
from shared.config import Config, read
from shared.db import Tx
from shared.events import MailQueued
from shared.http import Client
from shared.mails import Letter

Purpose = Literal["verify", "reset"]
TEMPLATES: dict[Purpose, str] = {"verify": "verify_email", "reset": "reset_password"}


class MailedCodesConfig(Config):
    """The secret that mailed codes and backup codes are hashed with, in hex."""

    mailed_code_key: str


@dataclass(frozen=True)
class Addressee:
    """Who gets the code."""

    member_id: UUID
    email: str
    name: str


def send(tx: Tx, purpose: Purpose, to: Addressee, now: datetime) -> None:
    """A new code by mail; earlier ones of the purpose stop working."""
    code, code_id = f"{secrets.randbelow(10**6):06d}", uuid4()
    until = now + rules.MAILED_CODE_LIFE
    store.replace_code(tx, code_id, to.member_id, purpose, mac(f"{code_id}:{code}"), now, until)
    template = TEMPLATES[purpose]
    key = f"{template.replace('_', '-')}:{code_id}"
    mails.queue(tx, Letter(to.email, to.name, template, {"name": to.name, "code": code}, key, to.member_id), now)


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
    if code is None or code.attempts >= rules.MAILED_CODE_ATTEMPTS_MAX:
        return None
    if not hmac.compare_digest(code.code_mac, mac(f"{code.id}:{given}")):
        store.count_code_attempt(tx, code.id)
        return None
    store.use_code(tx, code, now)
    return code.member_id


def _pretend(tx: Tx, purpose: Purpose, email: str, now: datetime) -> None:
    """What `send` does, to nobody: the same statements, and a message about a mail that there is not."""
    code, code_id = f"{secrets.randbelow(10**6):06d}", uuid4()
    until = now + rules.MAILED_CODE_LIFE
    store.replace_code(tx, code_id, uuid4(), purpose, mac(f"{code_id}:{code}"), now, until)
    store.queue_no_mail(tx, email, TEMPLATES[purpose], now)
    events.emit(tx, now, MailQueued(mail_id=uuid4()))


def mac(text: str) -> bytes:
    """A keyed hash: what is stored of a code says nothing without the key."""
    return hmac.digest(bytes.fromhex(read(MailedCodesConfig).mailed_code_key), text.encode(), "sha256")
