"""Marks: the name of a member in what is published, another one in each context. Pure; SQL has `member_mark`.

A mark tells nothing. Whoever is shown the context, its salt and the person's hash can check one mark, and learns
nothing of the others: salt = HMAC-SHA-256(secret, context), mark = SHA-256(salt + SHA-256("person" + secret)).
"""

import hashlib
import hmac


def mark(secret: bytes, context: str) -> bytes:
    """The mark of the member with this secret in a context such as "week:2026-11-29"."""
    salt = hmac.digest(secret, context.encode(), "sha256")
    return hashlib.sha256(salt + hashlib.sha256(b"person" + secret).digest()).digest()
