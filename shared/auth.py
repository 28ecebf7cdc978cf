"""Authenticates the caller: the gateway on behalf of a person, or one of our own services. Tokens are read only here.

The gateway puts its own OIDC token into `Authorization` and moves the caller's to `X-Forwarded-Authorization` (API
Gateway's documentation, "Passing data to and from the backend").
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from http.client import HTTPException
from typing import Any, Literal
from uuid import UUID

from flask import Request

from shared import db
from shared.config import Config, read, service_name
from shared.db import Tx
from shared.ports.outage import Outage
from shared.values.problems import (
    NotAllowed,
    NotThroughTheGateway,
    Problem,
    SecondFactorRequired,
    TokenMissing,
    TokenNotValid,
)
from shared.values.states import MemberStatus
from shared.values.tiers import Tier, effective, quarter_of

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068: told apart from other tokens of ours (RFC 8725, section 3.11)
ACCESS_TOKEN_SECONDS_MAX = 900  # our tokens never live longer: one that does was signed with a key slipped into our set
CLOCK_SKEW_SECONDS = 30
KEYS_FRESH_SECONDS = 60.0
KEYS_RETRY_SECONDS = 2.0  # an unknown key id makes us fetch the keys again, at most this often
VERIFIED_MAX = 1000
PROOF_LIFE = timedelta(hours=8)  # how long an admin may act after one proof of the second factor
SIGNATURE_REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"  # cloud.google.com/run/docs/troubleshooting#signature-removed


class AuthConfig(Config):
    """The issuers, audiences and accounts whose tokens are accepted; `front` is the proxy before the function."""

    access_token_issuer: str = "https://api.blakjaks.com"  # noqa: S105
    access_token_audience: str = "blakjaks"  # noqa: S105
    oidc_issuer: str = "https://accounts.google.com"
    oidc_jwks_url: str = "https://www.googleapis.com/oauth2/v3/certs"
    oidc_audience: str  # the audience of this function's tokens; {service} stands for its name as a service
    gateway_service_account: str
    invoker_service_account: str  # the account of push subscriptions, the scheduler and the task queues
    # Admin functions are behind the load balancer (terraform/edge.tf).
    front: Literal["gateway", "load_balancer"] = "gateway"
    k_service: str | None = None  # set by Cloud Run, which checks the caller's token before the function sees it


class Role(StrEnum):
    """An admin role; the owner may do what any role may do."""

    SUPPORT = "support"
    OPERATIONS = "operations"
    TREASURY = "treasury"
    OWNER = "owner"


@dataclass(frozen=True)
class Anyone:
    """The caller of an operation that needs no token."""


@dataclass(frozen=True)
class Vendor:
    """A vendor who sends us a message. It has no token: what is before its operation checks the message's signature."""


@dataclass(frozen=True)
class Member:
    """A signed-in member with a live session."""

    id: UUID
    number: int
    username: str
    status: str
    role: Role | None
    permanent_tier: Tier
    quarter_tier: Tier
    session_id: UUID
    proved_at: datetime | None = None  # when a second factor was proved in this session

    @property
    def tier(self) -> Tier:
        """The member's effective tier now."""
        return effective(self.quarter_tier, self.permanent_tier)


@dataclass(frozen=True)
class Admin(Member):
    """A member with a role. Handlers name the role they need: `Annotated[Admin, Role.OPERATIONS]`."""


@dataclass(frozen=True)
class Claims:
    """The claims of a verified access token."""

    member_id: UUID
    session_id: UUID


class MemberSuspended(NotAllowed):
    """Raised when the member's account is suspended or deleted."""

    title = "This account is suspended."


def require_gateway(request: Request, function: str) -> None:
    """Check that the API gateway's own token came with the request. Raises NotThroughTheGateway.

    A load balancer has no token of its own: behind one, the function's ingress setting admits nobody else.
    """
    config = read(AuthConfig)
    if config.front == "gateway":
        _require_service(request, function, config.gateway_service_account)


def require_invoker(request: Request, function: str) -> None:
    """Check that a push subscription, the scheduler or a task queue is calling. Raises NotThroughTheGateway."""
    _require_service(request, function, read(AuthConfig).invoker_service_account)


def callers_header(request: Request) -> str:
    """The caller's own `Authorization`; empty without one. The load balancer leaves it where it is."""
    moved = read(AuthConfig).front == "gateway"
    return request.headers.get("X-Forwarded-Authorization" if moved else "Authorization", "")


def claims(request: Request, now: datetime) -> Claims:
    """The claims of the member's access token. Raises TokenMissing or TokenNotValid."""
    config, header = read(AuthConfig), callers_header(request)
    if not header:
        raise TokenMissing(headers={"WWW-Authenticate": "Bearer"})
    try:
        found = _verified(
            _bearer(header),
            _access_keys(),
            audience=config.access_token_audience,
            issuer=config.access_token_issuer,
            now=now,
            token_type=ACCESS_TOKEN_TYPE,
        )
        return Claims(UUID(found["sub"]), UUID(found["sid"]))
    except (_Unverifiable, KeyError, ValueError, TypeError, AttributeError):
        raise _not_valid() from None


def member(tx: Tx, caller: Claims, now: datetime) -> Member:
    """The member of a live session; locks nothing. Raises TokenNotValid, MemberSuspended."""
    (found,) = members(tx, [caller], now)
    if isinstance(found, Problem):
        raise found
    return found


def members(tx: Tx, callers: Sequence[Claims], now: datetime) -> list[Member | Problem]:
    """The members of some claims, in order; a Problem in place of a member who may not call."""
    rows = tx.all(
        Member,
        """
        SELECT m.id, m.number, m.username, m.status, m.role, m.permanent_tier,
               coalesce(q.tier, 'standard') AS quarter_tier, s.id AS session_id,
               s.totp_at AS proved_at
        FROM sessions s
        JOIN members m ON m.id = s.member_id
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE s.id = ANY(CAST(:sessions AS uuid[])) AND s.ended_at IS NULL AND s.ends_at > :now
        """,
        sessions=[caller.session_id for caller in callers],
        now=now,
        quarter=quarter_of(now),
    )
    live = {(row.session_id, row.id): row for row in rows}
    return [_admitted(live.get((caller.session_id, caller.member_id))) for caller in callers]


def _admitted(found: Member | None) -> Member | Problem:
    if found is None:
        return _not_valid()
    return found if found.status == MemberStatus.ACTIVE else MemberSuspended()


def admin(found: Member, role: Role, now: datetime) -> Admin:
    """The same person as an admin of that role. Raises NotAllowed.

    Raises SecondFactorRequired unless the second factor was proved within the last eight hours.
    """
    if found.role not in (role, Role.OWNER):
        raise NotAllowed
    if found.proved_at is None or now - found.proved_at >= PROOF_LIFE:
        raise SecondFactorRequired
    return Admin(**vars(found))


class KeysUnavailable(Outage):
    """Raised when the keys that verify our own services' tokens cannot be fetched."""


class _Unverifiable(Exception):
    """Raised when a token is not valid; the reason is not told to the caller."""


class _Keys:
    """Public keys by key id. They are fetched on first use, when they are old, and when an unknown id appears."""

    def __init__(self, fetch: Callable[[], list[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")

    def get(self, key_id: str) -> Any:
        age = time.monotonic() - self._fetched_at
        if age > KEYS_FRESH_SECONDS or (key_id not in self._keys and age > KEYS_RETRY_SECONDS):
            try:
                self._refresh()
            except Outage:
                if key_id not in self._keys:  # a known key stays valid until its source can be asked again
                    raise
        if key_id not in self._keys:
            raise _Unverifiable
        return self._keys[key_id]

    def _refresh(self) -> None:
        from jwt.algorithms import RSAAlgorithm

        with self._lock:
            self._keys = {jwk["kid"]: RSAAlgorithm.from_jwk(jwk) for jwk in self._fetch()}
            self._fetched_at = time.monotonic()


@cache
def _access_keys() -> _Keys:
    return _Keys(published_keys)


@cache
def _google_keys() -> _Keys:
    return _Keys(lambda: _fetch_json(read(AuthConfig).oidc_jwks_url)["keys"])


def forget_keys() -> None:
    """Empty the caches, so that the next use fetches all keys anew."""
    _access_keys.cache_clear()
    _google_keys.cache_clear()


def published_keys() -> list[dict[str, Any]]:
    """The JSON Web Keys (RFC 7517) that access tokens are verified with."""
    return db.atomically(_published_keys)


def _published_keys(tx: Tx) -> list[dict[str, Any]]:
    return tx.column(dict[str, Any], "SELECT public_jwk FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at")


def _require_service(request: Request, function: str, email: str) -> None:
    config = read(AuthConfig)
    try:
        token = _bearer(request.headers.get("Authorization", ""))
        found = _service_claims(token, config.oidc_audience.format(service=service_name(function)), config)
    except _Unverifiable:
        raise NotThroughTheGateway from None
    if found.get("email") != email or found.get("email_verified") is not True:
        raise NotThroughTheGateway


_verified_services: dict[str, tuple[float, Mapping[str, Any]]] = {}


def _service_claims(token: str, audience: str, config: AuthConfig) -> Mapping[str, Any]:
    """Verify a service's token. Callers repeat a token for up to an hour, so its signature is checked only once."""
    known = _verified_services.get(token)
    if known and known[0] > time.time() and known[1]["aud"] == audience:
        return known[1]
    if config.k_service and token.endswith(f".{SIGNATURE_REMOVED}"):
        found = _platform_checked(token, audience, config)
    else:
        found = _verified(
            token, _google_keys(), audience=audience, issuer=config.oidc_issuer, now=None, token_type=None
        )
    if len(_verified_services) >= VERIFIED_MAX:
        _verified_services.clear()
    _verified_services[token] = (float(found["exp"]), found)
    return found


def _platform_checked(token: str, audience: str, config: AuthConfig) -> Mapping[str, Any]:
    """Read a token whose signature Cloud Run has verified and then removed."""
    import jwt

    try:
        found: dict[str, Any] = jwt.decode(
            token,
            options={
                "verify_signature": False,
                "verify_exp": True,
                "verify_aud": True,
                "verify_iss": True,
                "require": ["exp", "aud", "iss", "email"],
            },
            audience=audience,
            issuer=config.oidc_issuer,
        )
    except jwt.PyJWTError:
        raise _Unverifiable from None
    return found


def _verified(
    token: str, keys: _Keys, *, audience: str, issuer: str, now: datetime | None, token_type: str | None
) -> dict[str, Any]:
    """Verify a token's signature and claims: RS256 only, whatever its header asks for (RFC 8725, section 3.1)."""
    import jwt

    try:
        decoded: dict[str, Any] = jwt.decode_complete(
            token,
            keys.get(_key_id(token)),
            algorithms=["RS256"],
            audience=audience,
            issuer=issuer,
            options={
                "require": ["exp", "iat", "aud", "iss", "sub"],
                "verify_exp": now is None,
                "verify_iat": False,
                "verify_nbf": now is None,
            },
            leeway=CLOCK_SKEW_SECONDS,
        )
    except jwt.PyJWTError:
        raise _Unverifiable from None
    if token_type is not None and decoded["header"].get("typ") != token_type:
        raise _Unverifiable
    found: dict[str, Any] = decoded["payload"]
    if now is not None:
        _check_times(found, now.timestamp())
    return found


def _key_id(token: str) -> str:
    """The id of the key to try. Nothing else in the header is trusted before the signature is verified."""
    encoded = token.partition(".")[0]
    try:
        key_id = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _Unverifiable from None
    if not isinstance(key_id, str):
        raise _Unverifiable
    return key_id


def _check_times(found: Mapping[str, Any], now: float) -> None:
    """Check our own tokens' times by our own clock, which tests can move; none may live longer than we issue them."""
    begins = max(found["iat"], found.get("nbf", 0))
    if found["exp"] - found["iat"] > ACCESS_TOKEN_SECONDS_MAX:
        raise _Unverifiable
    if now - found["iat"] > ACCESS_TOKEN_SECONDS_MAX + CLOCK_SKEW_SECONDS:
        raise _Unverifiable
    if not begins - CLOCK_SKEW_SECONDS <= now <= found["exp"] + CLOCK_SKEW_SECONDS:
        raise _Unverifiable


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _Unverifiable
    return token.strip()


def _not_valid() -> TokenNotValid:
    return TokenNotValid(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def _fetch_json(url: str) -> Any:
    from urllib.request import urlopen

    assert url.startswith(("https://", "http://127.0.0.1:")), url
    try:
        with urlopen(url, timeout=5.0) as answer:  # noqa: S310 - the scheme is checked above
            return json.loads(answer.read())
    except (OSError, ValueError, HTTPException) as error:
        raise KeysUnavailable(f"{url}: {type(error).__name__}") from error
