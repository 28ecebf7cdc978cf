"""Addresses of one mailbox, a wallet in any capitals and one name have one fingerprint; two things never share one."""

import pytest

from shared.config import read
from shared.credentials import fingerprints
from shared.values import mailboxes


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPRINT_KEY", "11" * 32)
    read.cache_clear()


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada+one@Example.com", "ada@example.com"),
        ("ada+one+two@example.com", "ada@example.com"),
        ("a.d.a@example.com", "a.d.a@example.com"),
        ("a.d.a+x@gmail.com", "ada@gmail.com"),
        ("A.da@googlemail.com", "ada@gmail.com"),
        ("ada@pm.me", "ada@proton.me"),
        ("a.da@protonmail.com", "ada@proton.me"),
        ("ada@me.com", "ada@icloud.com"),
        ("+@example.com", "+@example.com"),
        ("...@gmail.com", "...@gmail.com"),
        ("\uff41da@example.com", "ada@example.com"),
    ],
)
def test_a_mailbox_is_written_as_its_provider_reads_it(written: str, plain: str) -> None:
    assert mailboxes.plain(written) == plain
    assert fingerprints.of_mailbox(written) == fingerprints.of_mailbox(plain)


def test_different_things_have_different_fingerprints() -> None:
    made = [
        fingerprints.of_mailbox("ada@example.com"),
        fingerprints.of_mailbox("ada@example.org"),
        fingerprints.of_name("ada@example.com"),
        fingerprints.of_device("ada@example.com"),
        fingerprints.of_wallet("0x52908400098527886E0F7030069857D2E4169EE7"),
    ]
    assert len(set(made)) == len(made)
    assert all(len(one) == 32 for one in made)
    assert fingerprints.of_wallet("0x52908400098527886E0F7030069857D2E4169EE7".lower()) == made[-1]
    assert fingerprints.of_name("ADA") == fingerprints.of_name("ada")


def test_without_the_key_they_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprints.of_mailbox("ada@example.com")
    monkeypatch.setenv("FINGERPRINT_KEY", "22" * 32)
    read.cache_clear()
    assert fingerprints.of_mailbox("ada@example.com") != before
