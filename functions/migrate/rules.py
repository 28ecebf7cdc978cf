"""A public RSA key as a JSON Web Key. Pure."""

import base64
import hashlib
import json
from collections.abc import Mapping


def public_jwk(modulus: int, exponent: int) -> Mapping[str, str]:
    """For JWKS (RFC 7517); the key id is the thumbprint (RFC 7638), so that one key always has one id."""
    required = {"e": _base64url(exponent), "kty": "RSA", "n": _base64url(modulus)}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
    kid = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return {**required, "kid": kid, "alg": "RS256", "use": "sig"}


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
