"""Codes of six digits that are mailed to prove an address; only their keyed hash is stored."""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from shared.config import Config, read

LIFE = timedelta(minutes=15)
ATTEMPTS_MAX = 5


class MailedCodesConfig(Config):
    """The secret that mailed codes and backup codes are hashed with, in hexadecimal."""

    mailed_code_key: str


@dataclass(frozen=True)
class MailedCode:
    """A new code; only `mac` may be stored."""

    id: UUID
    digits: str = field(repr=False)
    mac: bytes


def new() -> MailedCode:
    """Generate a random code."""
    identity, digits = uuid4(), f"{secrets.randbelow(10**6):06d}"
    return MailedCode(identity, digits, keyed(f"{identity}:{digits}"))


def matches(identity: UUID, mac: bytes, digits: str) -> bool:
    """True if these are the digits that were mailed under this id; the caller checks LIFE and ATTEMPTS_MAX."""
    return hmac.compare_digest(mac, keyed(f"{identity}:{digits}"))


def keyed(text: str) -> bytes:
    """A keyed hash: without the key, it reveals nothing about the code."""
    return hmac.digest(bytes.fromhex(read(MailedCodesConfig).mailed_code_key), text.encode(), "sha256")


def ticket_mark(ticket: str | None) -> bytes | None:
    """The keyed hash of a device's ticket, as it is stored; None without a ticket."""
    return keyed(f"ticket:{ticket}") if ticket else None
