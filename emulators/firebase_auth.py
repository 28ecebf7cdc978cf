"""A stand-in for Firebase Authentication: it exchanges custom tokens for ID tokens, and renews these.

https://firebase.google.com/docs/reference/rest/auth. A custom token can be exchanged as often as wanted while it is
valid. After the exchange the client gets ID tokens for ever, with the claims of the custom token and the time of the
exchange (`auth_time`), which does not reveal when the custom token was issued.
"""

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import jwt

AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
ISSUER = "https://securetoken.google.com/"
CUSTOM_TOKEN_SECONDS_MAX = 3600
ID_TOKEN_SECONDS = 3600
UID_LENGTH_MAX = 128
CLAIMS_BYTES_MAX = 1000
RESERVED = frozenset(
    {
        "acr", "amr", "at_hash", "aud", "auth_time", "azp", "c_hash", "cnf", "exp", "firebase", "iat", "iss", "jti",
        "nbf", "nonce", "sub", "user_id",
    }
)  # fmt: skip

Claims = Mapping[str, Any]


class InvalidCustomToken(Exception):
    """The custom token is forged or expired, lives too long, or has claims that may not be set."""


class InvalidRefreshToken(Exception):
    """This refresh token was never issued."""


class FirebaseAuth:
    """Signs in and refreshes. `sign` makes a JWT of claims, `verify` returns the claims of a custom token.

    `verify` raises if the signature is wrong; `now` returns the time.
    """

    def __init__(
        self, project: str, sign: Callable[[Claims], str], verify: Callable[[str], Claims], now: Callable[[], datetime]
    ) -> None:
        self._project = project
        self.now = now
        self._sign = sign
        self._verify = verify
        self._sign_ins: dict[str, tuple[str, Claims, int]] = {}
        self._lock = threading.Lock()

    def exchange(self, custom_token: str) -> dict[str, str]:
        """Sign in as signInWithCustomToken does; returns its answer. Raises InvalidCustomToken."""
        now = int(self.now().timestamp())
        try:
            found = self._verify(custom_token)
        except jwt.PyJWTError as error:
            raise InvalidCustomToken(str(error)) from error
        _check(found, now)
        refresh_token = secrets.token_urlsafe(32)
        with self._lock:
            self._sign_ins[refresh_token] = (found["uid"], found.get("claims", {}), now)
        return {"idToken": self._id_token(refresh_token), "refreshToken": refresh_token, "expiresIn": _SECONDS}

    def refresh(self, refresh_token: str) -> dict[str, str]:
        """Issue another ID token of the same sign-in. Raises InvalidRefreshToken."""
        with self._lock:
            if refresh_token not in self._sign_ins:
                raise InvalidRefreshToken
        return {"id_token": self._id_token(refresh_token), "refresh_token": refresh_token, "expires_in": _SECONDS}

    def _id_token(self, refresh_token: str) -> str:
        uid, claims, signed_in_at = self._sign_ins[refresh_token]
        now = int(self.now().timestamp())
        return self._sign(
            {
                **claims,
                "iss": f"{ISSUER}{self._project}",
                "aud": self._project,
                "sub": uid,
                "user_id": uid,
                "auth_time": signed_in_at,
                "iat": now,
                "exp": now + ID_TOKEN_SECONDS,
                "firebase": {"identities": {}, "sign_in_provider": "custom"},
            }
        )


_SECONDS = str(ID_TOKEN_SECONDS)


def _check(found: Claims, now: int) -> None:
    """Check a custom token by the rules of firebase.google.com/docs/auth/admin/create-custom-tokens."""
    try:
        uid, claims = found["uid"], found.get("claims", {})
        is_in_time = found["iat"] <= now < found["exp"] <= found["iat"] + CUSTOM_TOKEN_SECONDS_MAX
        is_named = found["iss"] == found["sub"] and isinstance(uid, str) and 0 < len(uid) <= UID_LENGTH_MAX
        is_free = RESERVED.isdisjoint(claims) and len(json.dumps(claims).encode()) <= CLAIMS_BYTES_MAX
    except (KeyError, TypeError) as error:
        raise InvalidCustomToken(f"a claim is missing or of another type: {error}") from error
    if found.get("aud") != AUDIENCE or not (is_in_time and is_named and is_free):
        raise InvalidCustomToken("the claims are not those of a custom token that can be exchanged now")
