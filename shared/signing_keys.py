"""The public halves of the keys that sign access tokens: as JSON Web Keys, published before they are used."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.db import Tx
from shared.ports import kms

PUBLISHED_BEFORE_USE = timedelta(minutes=10)  # gateways keep a key set for five minutes


@dataclass(frozen=True)
class _Count:
    count: int


def is_known(tx: Tx, kms_version: str) -> bool:
    """Whether it was ever published."""
    found = tx.one(
        _Count, "SELECT count(*) AS count FROM signing_keys WHERE kms_version = :version", version=kms_version
    )
    return found.count > 0


def register(tx: Tx, kms_version: str, jwk: Mapping[str, str], now: datetime) -> None:
    """Published at once, used when every verifier has had time to learn it. Nothing when it is known."""
    first = tx.one(_Count, "SELECT count(*) AS count FROM signing_keys WHERE retired_at IS NULL").count == 0
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
    """The public key that KMS tells."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(kms.public_key_pem(kms_version).encode())
    assert isinstance(key, RSAPublicKey)
    numbers = key.public_numbers()
    return public_jwk(numbers.n, numbers.e)


def public_jwk(modulus: int, exponent: int) -> Mapping[str, str]:
    """For JWKS (RFC 7517); the key id is the thumbprint (RFC 7638), so that one key always has one id."""
    required = {"e": _base64url(exponent), "kty": "RSA", "n": _base64url(modulus)}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
    kid = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return {**required, "kid": kid, "alg": "RS256", "use": "sig"}


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
