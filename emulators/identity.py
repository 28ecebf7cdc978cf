"""A stand-in for Google's identity services: OIDC tokens, signJwt of IAM Credentials, and Firebase Authentication.

Firebase Authentication exchanges the custom tokens that signJwt signed. Differs from the real services: one key signs
for every account and lives as long as the process; callers are not authorised; of the IAM Credentials API only signJwt
is served, of Firebase only custom tokens are taken. Clients reach the latter as they reach Firebase's own emulator,
under the hosts' names as folders.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, unquote
from urllib.request import Request, urlopen

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.cloud import PROJECT
from emulators.firebase_auth import FirebaseAuth, InvalidCustomToken, InvalidRefreshToken
from emulators.http_server import Handler, HttpServer

ISSUER = "https://accounts.google.com"
TOKEN_SECONDS = 3600
RENEW_SECONDS_LEFT = 300
TOKENS_CACHED_MAX = 1000
FETCH_SECONDS_MAX = 5.0
BODY_BYTES_MAX = 64 * 1024
SIGNED_SECONDS_MAX = 12 * 3600  # cloud.google.com/iam/docs/reference/credentials/rest: exp at most 12 hours ahead
CERTS_PATH = "/oauth2/v3/certs"
MINT_PATH = "/identity"
GUARD_HEADER = "X-Identity-Secret"
ACCOUNT_CERTS_PATH = re.compile(r"/service_accounts/v1/jwk/([^/]+@[^/]+)")
EXCHANGE_PATH = "/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken"
REFRESH_PATH = "/securetoken.googleapis.com/v1/token"
SIGN_PATH = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+@[^/:]+):signJwt")


class Identity:
    """Mints and signs in this process; serves the public key and signJwt over HTTP."""

    def __init__(self, secret: str | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """A caller who knows `secret` may have tokens minted over HTTP, as from a metadata server; None forbids it.

        `now` is the time by which signJwt limits a token's end, and Firebase's time; the ID tokens of service accounts
        are minted in real time.
        """
        self.secret = secret
        self.now = now
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key()
        self.key_id = hashlib.sha256(str(public.public_numbers().n).encode()).hexdigest()[:40]
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
        self.key_set: dict[str, Any] = {
            "keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, "n": jwk["n"], "e": jwk["e"]}]
        }
        self.firebase = FirebaseAuth(PROJECT, self.sign, self._verified, now)
        self._tokens: dict[tuple[str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        """The base URL of every path that it serves."""
        if self._server is None:
            raise RuntimeError("the identity stand-in is not running")
        return self._server.url

    def start(self) -> None:
        self._server = HttpServer(type("BoundIdentityHandler", (_IdentityHandler,), {"identity": self}))
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def mint(self, email: str, audience: str) -> str:
        """An ID token as Google's services attach it for a service account; the same one until it nears its end.

        https://cloud.google.com/docs/authentication/token-types#id
        """
        now = time.time()
        with self._lock:
            ends, token = self._tokens.get((email, audience), (0.0, ""))
            if ends - now > RENEW_SECONDS_LEFT:
                return token
            if len(self._tokens) >= TOKENS_CACHED_MAX:
                self._tokens.clear()
            token = self.sign(_id_claims(email, audience, int(now)))
            self._tokens[email, audience] = (now + TOKEN_SECONDS, token)
            return token

    def _verified(self, custom_token: str) -> Mapping[str, Any]:
        """The claims of a custom token with a valid signature; `FirebaseAuth` checks the times."""
        found: dict[str, Any] = jwt.decode(
            custom_token,
            self._key.public_key(),
            algorithms=["RS256"],
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
        )
        return found

    def sign(self, claims: Mapping[str, object]) -> str:
        return jwt.encode(dict(claims), self._key, algorithm="RS256", headers={"kid": self.key_id})


def minted(url: str, secret: str, account: str, audience: str) -> str:
    """A token from the identity stand-in at `url`, for other processes than its own."""
    request = Request(  # noqa: S310 - the stack's own
        f"{url}{MINT_PATH}?account={quote(account)}&audience={quote(audience)}", headers={GUARD_HEADER: secret}
    )
    with urlopen(request, timeout=FETCH_SECONDS_MAX) as answer:  # noqa: S310
        token: str = json.loads(answer.read())["token"]
        return token


def _id_claims(email: str, audience: str, now: int) -> dict[str, object]:
    account = str(10**20 + int(hashlib.sha256(email.encode()).hexdigest()[:15], 16))  # 21 digits, as real ones have
    return {
        "iss": ISSUER,
        "aud": audience,
        "azp": account,
        "sub": account,
        "email": email,
        "email_verified": True,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
    }


class _Refusal(Exception):
    def __init__(self, code: HTTPStatus, status: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"error": {"code": code.value, "message": message, "status": status}}


class _IdentityHandler(Handler):
    identity: Identity

    def _get(self) -> None:
        path = unquote(self.target_path)
        if path == CERTS_PATH or ACCOUNT_CERTS_PATH.fullmatch(path):
            self.answer_json(HTTPStatus.OK, self.identity.key_set)
        elif path == MINT_PATH and self._knows_secret():
            token = self.identity.mint(self.query.get("account", ""), self.query.get("audience", ""))
            self.answer_json(HTTPStatus.OK, {"token": token})
        else:
            self._refuse(_not_found(path))

    def _post(self) -> None:
        try:
            path = unquote(self.target_path)
            acts = {EXCHANGE_PATH: self._exchange, REFRESH_PATH: self._refresh}
            self.answer_json(HTTPStatus.OK, acts.get(path, self._sign)())
        except _Refusal as refusal:
            self._refuse(refusal)

    do_GET, do_POST = _get, _post  # noqa: N815 - the base class's names

    def _knows_secret(self) -> bool:
        secret = self.identity.secret
        return secret is not None and hmac.compare_digest(self.headers.get(GUARD_HEADER, ""), secret)

    def _sign(self) -> dict[str, object]:
        body = self._limited_body()
        path = unquote(self.target_path)
        if not SIGN_PATH.fullmatch(path):
            raise _not_found(path)
        return {"keyId": self.identity.key_id, "signedJwt": self.identity.sign(_claims(body, self.identity.now()))}

    def _exchange(self) -> dict[str, str]:
        try:
            return self.identity.firebase.exchange(str(json.loads(self._limited_body())["token"]))
        except (ValueError, KeyError, TypeError, InvalidCustomToken):
            raise _invalid("INVALID_CUSTOM_TOKEN") from None

    def _refresh(self) -> dict[str, str]:
        """Answer a token refresh, which comes as a form."""
        try:
            given = parse_qs(self._limited_body().decode())
            return self.identity.firebase.refresh(given["refresh_token"][0])
        except (ValueError, KeyError, InvalidRefreshToken):
            raise _invalid("INVALID_REFRESH_TOKEN") from None

    def _limited_body(self) -> bytes:
        if not 0 < self.body_left <= BODY_BYTES_MAX:
            raise _invalid(f"a body of at most {BODY_BYTES_MAX} bytes with its Content-Length is needed")
        return self.body()

    def _refuse(self, refusal: _Refusal) -> None:
        self.answer_json(refusal.code, refusal.body)


def _claims(body: bytes, now: datetime) -> dict[str, object]:
    try:
        claims = json.loads(json.loads(body)["payload"])
    except (ValueError, KeyError, TypeError):
        raise _invalid("Invalid JSON payload received: payload must be a JSON claims set in a string") from None
    if not isinstance(claims, dict):
        raise _invalid("The payload must be a JSON object containing a JWT Claims Set.")
    ends = claims.get("exp")
    if ends is not None and not (isinstance(ends, int) and ends <= now.timestamp() + SIGNED_SECONDS_MAX):
        raise _invalid("exp must be a number of seconds, at most 12 hours in the future")
    return claims


def _invalid(message: str) -> _Refusal:
    return _Refusal(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", message)


def _not_found(path: str) -> _Refusal:
    return _Refusal(HTTPStatus.NOT_FOUND, "NOT_FOUND", f"nothing is served at {path}")
