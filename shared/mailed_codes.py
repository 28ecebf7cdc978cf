"""Six digits that are mailed to prove an address; only their keyed hash is stored."""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from shared.config import Config, read

LIFE = timedelta(minutes=15)
ATTEMPTS_MAX = 5


class MailedCodesConfig(Config):
    """The secret that mailed codes and backup codes are hashed with, in hex."""

    mailed_code_key: str


@dataclass(frozen=True)
class MailedCode:
    """A new code; `mac` is what may be stored of it."""

    id: UUID
    digits: str = field(repr=False)
    mac: bytes


def new() -> MailedCode:
    """A code that nobody can foresee."""
    identity, digits = uuid4(), f"{secrets.randbelow(10**6):06d}"
    return MailedCode(identity, digits, keyed(f"{identity}:{digits}"))


def matches(identity: UUID, mac: bytes, digits: str) -> bool:
    """Whether these are the digits that were mailed under this id."""
    return hmac.compare_digest(mac, keyed(f"{identity}:{digits}"))


def keyed(text: str) -> bytes:
    """A keyed hash: what is stored of a code says nothing without the key."""
    return hmac.digest(bytes.fromhex(read(MailedCodesConfig).mailed_code_key), text.encode(), "sha256")
