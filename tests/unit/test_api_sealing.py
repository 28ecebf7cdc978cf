"""A sealed reply opens only with what it was sealed with."""

import pytest
from cryptography.exceptions import InvalidTag

from shared.web import sealing


def test_it_opens_with_what_it_was_sealed_with() -> None:
    assert sealing.unseal(sealing.seal(b"secret", b"request"), b"request") == b"secret"


@pytest.mark.parametrize("other", [b"", b"request ", b"Request", b"secret"])
def test_it_opens_with_nothing_else(other: bytes) -> None:
    with pytest.raises(InvalidTag):
        sealing.unseal(sealing.seal(b"secret", b"request"), other)


def test_a_changed_seal_does_not_open() -> None:
    sealed = sealing.seal(b"secret", b"request")
    for position in (0, sealing.NONCE_BYTES, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(InvalidTag):
            sealing.unseal(bytes(changed), b"request")


def test_two_seals_of_one_secret_do_not_resemble_each_other() -> None:
    assert sealing.seal(b"secret", b"request") != sealing.seal(b"secret", b"request")
