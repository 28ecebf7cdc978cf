"""Encrypts a secret reply so that only somebody who repeats the request can read it again."""

import hashlib
import os

NONCE_BYTES = 12


def seal(secret: bytes, made_with: bytes) -> bytes:
    """Encrypt with AES-256-GCM under a key derived from what the caller sent."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(made_with)).encrypt(nonce, secret, None)


def unseal(sealed: bytes, made_with: bytes) -> bytes:
    """Decrypt a sealed secret. Raises cryptography's InvalidTag when `made_with` differs."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_key(made_with)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)


def _key(made_with: bytes) -> bytes:
    return hashlib.sha256(b"blakjaks sealed reply\x00" + made_with).digest()
