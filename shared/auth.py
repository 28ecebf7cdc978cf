"""Who is calling: the gateway on somebody's behalf, or one of our own services. Both tokens are read only here.

The gateway puts its own OIDC token into `Authorization` and moves the caller's to `X-Forwarded-Authorization`
(API Gateway's documentation, "Passing data to and from the backend").
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Literal
from uuid import UUID

from flask import Request

from shared import db
from shared.config import Config, read, service_name
from shared.db import Tx
from shared.problems import NotAllowed, NotThroughTheGateway, Problem, SecondFactorRequired, TokenMissing, TokenNotValid
from shared.tiers import Tier, effective, quarter_of

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068: told apart from other tokens of ours (RFC 8725, section 3.11)
CLOCK_SKEW_SECONDS = 30
KEYS_FRESH_SECONDS = 60.0
KEYS_RETRY_SECONDS = 2.0  # an unknown key id asks the source again, but not more often than this
VERIFIED_MAX = 1000
SIGNATURE_REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"  # cloud.google.com/run/docs/troubleshooting#signature-removed


class AuthConfig(Config):
    """Issuers, audiences and the service accounts that may call."""

    access_token_issuer: str = "https://api.blakjaks.com"  # noqa: S105
    access_token_audience: str = "blakjaks"  # noqa: S105
    oidc_issuer: str = "https://accounts.google.com"
    oidc_jwks_url: str = "https://www.googleapis.com/oauth2/v3/certs"
    oidc_audience: str  # of this function; {service} stands for its name as a service
    gateway_service_account: str
    invoker_service_account: str  # push subscriptions, scheduler and task queues
    front: Literal["gateway", "load_balancer"] = "gateway"  # admin functions are behind the latter (terraform/edge.tf)
    k_service: str | None = None  # set by Cloud Run, which has checked the caller's token before we see it


class Role(StrEnum):
    """What an admin may do; the owner may do everything."""

    SUPPORT = "support"
    OPERATIONS = "operations"
    TREASURY = "treasury"
    OWNER = "owner"


@dataclass(frozen=True)
class Anyone:
    """No token is needed."""


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
    proved_at: datetime | None = None  # when this session was proved with a second factor

    @property
    def tier(self) -> Tier:
        """The effective tier now."""
        return effective(self.quarter_tier, self.permanent_tier)


@dataclass(frozen=True)
class Admin(Member):
    """A member with a role; handlers say which: `Annotated[Admin, Role.OPERATIONS]`."""


@dataclass(frozen=True)
class Claims:
    """What a verified access token says."""

    member_id: UUID
    session_id: UUID


class MemberSuspended(NotAllowed):
    """The account is suspended or deleted."""

    title = "This account is suspended."


def require_gateway(request: Request, function: str) -> None:
    """Raises NotThroughTheGateway unless the API gateway's own token came with the request.

    A load balancer has no token of its own: there the function's ingress lets nobody else in.
    """
    config = read(AuthConfig)
    if config.front == "gateway":
        _require_service(request, function, config.gateway_service_account)


def require_invoker(request: Request, function: str) -> None:
    """Raises NotThroughTheGateway unless a push subscription, the scheduler or a task queue is calling."""
    _require_service(request, function, read(AuthConfig).invoker_service_account)


def claims(request: Request, now: datetime) -> Claims:
    """Of the member's access token. Raises TokenMissing or TokenNotValid."""
    config = read(AuthConfig)
    moved = config.front == "gateway"  # the load balancer leaves the caller's token where it is
    header = request.headers.get("X-Forwarded-Authorization" if moved else "Authorization", "")
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
    """The same for many, in order; who may not call gets a Problem."""
    rows = tx.all(
        Member,
        """
        SELECT m.id, m.number, m.username, m.status, m.role, m.permanent_tier,
               coalesce(q.tier, 'standard') AS quarter_tier, s.id AS session_id,
               s.totp_at AS proved_at
        FROM sessions s
        JOIN members m ON m.id = s.member_id
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE s.id = ANY(CAST(:sessions AS uuid[])) AND s.ended_at IS NULL
        """,
        sessions=[caller.session_id for caller in callers],
        quarter=quarter_of(now),
    )
    live = {(row.session_id, row.id): row for row in rows}
    return [_admitted(live.get((caller.session_id, caller.member_id))) for caller in callers]


def _admitted(found: Member | None) -> Member | Problem:
    if found is None:
        return _not_valid()
    return found if found.status == "active" else MemberSuspended()


def admin(found: Member, role: Role) -> Admin:
    """The same person as an admin of that role. Raises NotAllowed, SecondFactorRequired."""
    if found.role not in (role, Role.OWNER):
        raise NotAllowed
    if found.proved_at is None:
        raise SecondFactorRequired
    return Admin(**vars(found))


class _Unverifiable(Exception):
    """The token is not what it should be; why stays here."""


class _Keys:
    """Public keys by key id: fetched when first needed, again when old or when an unknown id appears."""

    def __init__(self, fetch: Callable[[], list[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")

    def get(self, key_id: str) -> Any:
        age = time.monotonic() - self._fetched_at
        if age > KEYS_FRESH_SECONDS or (key_id not in self._keys and age > KEYS_RETRY_SECONDS):
            self._refresh()
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
    """Fetch all keys anew when next needed."""
    _access_keys.cache_clear()
    _google_keys.cache_clear()


@dataclass(frozen=True)
class _PublicKey:
    public_jwk: dict[str, Any]


def published_keys() -> list[dict[str, Any]]:
    """The JSON Web Keys (RFC 7517) that access tokens are verified with."""
    return [
        row.public_jwk
        for row in db.atomically(
            lambda tx: tx.all(
                _PublicKey, "SELECT public_jwk FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at"
            )
        )
    ]


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
    """Callers repeat one token for up to an hour: its signature is checked once."""
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
    """On Cloud Run the platform verifies the caller's token and hands it on without its signature."""
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
    """RS256 and nothing else, whatever the token's header asks for (RFC 8725, section 3.1)."""
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
    """Which key to try; nothing else of the header is believed before the signature is."""
    encoded = token.partition(".")[0]
    try:
        key_id = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _Unverifiable from None
    if not isinstance(key_id, str):
        raise _Unverifiable
    return key_id


def _check_times(found: Mapping[str, Any], now: float) -> None:
    """Our own tokens live by our own clock, which tests can move."""
    begins = max(found["iat"], found.get("nbf", 0))
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
    with urlopen(url, timeout=5.0) as answer:  # noqa: S310 - the scheme is checked above
        return json.loads(answer.read())
