"""Access tokens: RS256 by a key that never leaves KMS, and the opaque refresh tokens beside them."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from functions.auth.rules import ACCESS_TOKEN_LIFE, REFRESH_TOKEN_LIFE
from shared.auth import ACCESS_TOKEN_TYPE, AuthConfig
from shared.config import read
from shared.fields import Reply
from shared.ports import kms

SECRET_BYTES = 32


class Grant(Reply):
    """What a sign-in has decided, before its access token is signed."""

    member_id: UUID
    session_id: UUID
    key_id: str
    kms_version: str
    issued_at: datetime
    refresh_token: str
    device_token: str | None = None


class Tokens(Reply):
    """Lives are in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class SignedIn(Tokens):
    """As above, and what makes this device a known one at the next sign-in: keep it when the session ends."""

    device_token: str


def new_secret() -> str:
    """A refresh or device token: 256 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def secret_hash(token: str) -> bytes:
    """What is stored of one; it has enough entropy for a plain hash."""
    return hashlib.sha256(token.encode()).digest()


def sign_in(grant: Grant) -> SignedIn:
    """The tokens of a new session."""
    assert grant.device_token
    return SignedIn(**issue(grant).model_dump(), device_token=grant.device_token)


def issue(grant: Grant) -> Tokens:
    """Sign the access token. The same grant always gives the same token: RS256 is deterministic."""
    config = read(AuthConfig)
    issued_at = int(grant.issued_at.timestamp())
    header = {"alg": "RS256", "typ": ACCESS_TOKEN_TYPE, "kid": grant.key_id}
    claims = {
        "iss": config.access_token_issuer,
        "aud": config.access_token_audience,
        "sub": str(grant.member_id),
        "sid": str(grant.session_id),
        "iat": issued_at,
        "exp": issued_at + int(ACCESS_TOKEN_LIFE.total_seconds()),
    }
    signing_input = f"{_part(header)}.{_part(claims)}"
    digest = hashlib.sha256(signing_input.encode()).digest()
    signature = kms.sign_digest(grant.kms_version, digest)
    return Tokens(
        access_token=f"{signing_input}.{_base64url(signature)}",
        token_type="Bearer",  # noqa: S106 - RFC 6750
        expires_in=int(ACCESS_TOKEN_LIFE.total_seconds()),
        refresh_token=grant.refresh_token,
        refresh_expires_in=int(REFRESH_TOKEN_LIFE.total_seconds()),
    )


def _part(value: Mapping[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
