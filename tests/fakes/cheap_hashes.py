"""Password hashes that cost almost nothing, for tests that do not depend on how hard a password is to guess."""

import pytest

from functions.auth import passwords
from functions.auth.passwords import Room


def use_cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory and one pass."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PASSES", 1)


def allow_many_waiting(monkeypatch: pytest.MonkeyPatch, many: int = 200) -> None:
    """Let many requests wait for their hash, strangers and known devices alike; two are hashed at once."""
    for room in ("STRANGERS", "KNOWN"):
        monkeypatch.setattr(passwords, room, Room(2, waiting=many, share=many))
