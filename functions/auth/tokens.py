"""Access tokens, signed RS256 by a key that never leaves KMS, and opaque refresh tokens."""

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
from shared.ports import kms
from shared.values.fields import Reply

SECRET_BYTES = 32


class Grant(Reply):
    """A decided sign-in whose access token is still to be signed."""

    member_id: UUID
    session_id: UUID
    key_id: str
    kms_version: str
    issued_at: datetime
    refresh_token: str
    refresh_expires_at: datetime | None = None  # answers kept from an earlier release have no value here
    device_token: str | None = None


class Tokens(Reply):
    """A new pair of tokens. The lives (`expires_in`, `refresh_expires_in`) are in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class SignedIn(Tokens):
    """A new pair of tokens, and the device token that makes this device known at the next sign-in: keep it after the
    session.
    """

    device_token: str


def new_secret() -> str:
    """Return a new refresh or device token: 256 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def secret_hash(token: str) -> bytes:
    """The hash under which a token is stored; the token has enough entropy for a plain hash."""
    return hashlib.sha256(token.encode()).digest()


def sign_in(grant: Grant) -> SignedIn:
    """Return the tokens of a new session."""
    assert grant.device_token
    return SignedIn(**issue(grant).model_dump(), device_token=grant.device_token)


def issue(grant: Grant) -> Tokens:
    """Sign the access token and return it with the grant's refresh token. The same grant always gives the same tokens,
    because RS256 is deterministic. Raises KmsFailure.
    """
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
    until = grant.refresh_expires_at or grant.issued_at + REFRESH_TOKEN_LIFE
    return Tokens(
        access_token=signed(header, claims, grant.kms_version),
        token_type="Bearer",  # noqa: S106 - RFC 6750
        expires_in=int(ACCESS_TOKEN_LIFE.total_seconds()),
        refresh_token=grant.refresh_token,
        refresh_expires_in=int((until - grant.issued_at).total_seconds()),
    )


def signed(header: Mapping[str, object], claims: Mapping[str, object], kms_version: str) -> str:
    """A compact JWT (RFC 7519) that KMS signs with RS256. Raises KmsFailure."""
    signing_input = f"{_part(header)}.{_part(claims)}"
    signature = kms.sign_digest(kms_version, hashlib.sha256(signing_input.encode()).digest())
    return f"{signing_input}.{_base64url(signature)}"


def _part(value: Mapping[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
