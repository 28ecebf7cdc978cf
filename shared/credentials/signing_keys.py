"""The public halves of the keys that sign access tokens: as JSON Web Keys, published before they are used."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.db import Tx
from shared.ports import kms

PUBLISHED_BEFORE_USE = timedelta(minutes=10)  # gateways keep a key set for five minutes


def is_known(tx: Tx, kms_version: str) -> bool:
    """True if the key was ever published."""
    count = tx.scalar(
        int, "SELECT count(*) AS count FROM signing_keys WHERE kms_version = :version", version=kms_version
    )
    return count > 0


def register(tx: Tx, kms_version: str, jwk: Mapping[str, str], now: datetime) -> None:
    """Publish a key now and use it once every verifier has had time to learn it; without another key, at once. Does
    nothing if it is known.
    """
    first = tx.scalar(int, "SELECT count(*) AS count FROM signing_keys WHERE retired_at IS NULL") == 0
    tx.run(
        """
        INSERT INTO signing_keys (kid, kms_version, public_jwk, created_at, active_from)
        VALUES (:kid, :kms_version, :public_jwk, :now, :active_from) ON CONFLICT DO NOTHING
        """,
        kid=jwk["kid"],
        kms_version=kms_version,
        public_jwk=dict(jwk),
        now=now,
        active_from=now if first else now + PUBLISHED_BEFORE_USE,
    )


def jwk_of(kms_version: str) -> Mapping[str, str]:
    """The key's public half as a JSON Web Key, read from KMS. Raises KmsFailure."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(kms.public_key_pem(kms_version).encode())
    assert isinstance(key, RSAPublicKey)
    numbers = key.public_numbers()
    return public_jwk(numbers.n, numbers.e)


def public_jwk(modulus: int, exponent: int) -> Mapping[str, str]:
    """A JSON Web Key (RFC 7517); its id is its thumbprint (RFC 7638), so that a key always has the same id."""
    required = {"e": _base64url(exponent), "kty": "RSA", "n": _base64url(modulus)}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
    kid = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return {**required, "kid": kid, "alg": "RS256", "use": "sig"}


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
