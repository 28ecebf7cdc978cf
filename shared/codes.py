"""Codes on tins: twelve symbols that cannot be mistaken, stored only as a keyed hash.

The plain code exists in the manufacturer's export and on the tin. HMAC-SHA256 under a secret key, cut to sixteen
bytes, stands for it everywhere else: a copy of the database cannot be spent.
"""

import hmac
import secrets
from collections.abc import Iterator

from shared.config import Config, read

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # A-Z and 2-9 without O and I: 32 symbols
LENGTH = 12
GROUP = 4
MAC_BYTES = 16
_SYMBOLS = frozenset(ALPHABET)


class CodesConfig(Config):
    """The secret that codes are hashed with, in hex; at least 32 bytes."""

    code_mac_key: str


class CodeFilesConfig(Config):
    """The bucket that exports lie in."""

    codes_bucket: str


def generate(count: int, *, check_symbol: bool = False) -> Iterator[str]:
    """`count` random codes; with `check_symbol` the last symbol depends on the others and the key."""
    for _ in range(count):
        number = secrets.randbits(5 * LENGTH)
        symbols = "".join(ALPHABET[number >> shift & 31] for shift in range(0, 5 * LENGTH, 5))
        yield symbols[:-1] + check(symbols[:-1]) if check_symbol else symbols


def normalized(text: str) -> str | None:
    """The twelve symbols of a code as people type it (lower case, with or without hyphens or spaces), or None."""
    symbols = text.upper().replace("-", "").replace(" ", "")
    is_code = text.isascii() and len(symbols) == LENGTH and _SYMBOLS.issuperset(symbols)
    return symbols if is_code else None


def displayed(code: str) -> str:
    """XXXX-XXXX-XXXX."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def mac(code: str) -> bytes:
    """What the database knows of a normalized code."""
    return hmac.digest(_key(), b"code\x00" + code.encode("ascii"), "sha256")[:MAC_BYTES]


def check(first: str) -> str:
    """The check symbol that follows eleven others; one random typo in 32 slips through, a guess gains nothing."""
    return ALPHABET[hmac.digest(_key(), b"check\x00" + first.encode("ascii"), "sha256")[0] & 31]


def _key() -> bytes:
    return bytes.fromhex(read(CodesConfig).code_mac_key)
