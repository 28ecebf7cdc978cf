"""MetaMask Embedded Wallets (formerly Web3Auth): reads the ID token that says which wallet it has made for a member.

WALLET_PROVIDER_URL (https://api-auth.web3auth.io unless given) is the issuer of ID tokens and has its keys at /jwks.
WALLET_PROVIDER_CLIENT_ID is our project there, WALLET_PROVIDER_CONNECTION the name of its custom connection, which
takes the tokens of functions/auth/wallet_tokens.py. Both are public.
Reference: https://docs.metamask.io/embedded-wallets/authentication/id-token

Keys are kept for ten minutes. While the provider does not answer, those that were fetched within a day go on being
used.
"""

import base64
import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.ports import vendors
from shared.ports.polygon import ethereum
from shared.ports.vendors import VendorMisconfigured, VendorSilent

if TYPE_CHECKING:
    import jwt

URL_DEFAULT = "https://api-auth.web3auth.io"
ALGORITHM = "ES256"
TOKEN_LIFE = timedelta(minutes=10)  # since `iat`: the provider's own end is a day later
AHEAD_MAX = timedelta(seconds=30)  # by which the provider's clock may be before ours
KEYS_FRESH_SECONDS = 600.0
KEYS_KEPT_SECONDS = 86_400.0  # while the provider cannot be asked
UNKNOWN_KEY_SECONDS = 2.0  # an unknown key id has the keys fetched again at most this often
FAILURE_SECONDS = 5.0  # for which a failure is repeated without asking again
KEYS_MAX = 20
KEYS_BYTES_MAX = 64 * 1024
WALLETS_MAX = 20
CURVE = "secp256k1"
KEY_TYPE = "web3auth_app_key"  # of social and custom logins; other wallets have an address, which proves no key
USER_NAMES = ("userId", "verifierId", "sub")  # the member's id, by the version of the SDK; the first one decides
CONNECTION_NAMES = ("authConnectionId", "groupedAuthConnectionId", "verifier", "aggregateVerifier")


class IdTokenNotValid(Exception):
    """Raised when the token is not the provider's, or not for our project, our connection and this member."""


class IdTokenTooOld(Exception):
    """Raised when the token was right, and was issued more than ten minutes ago or has expired."""


class IdTokenWithoutKey(Exception):
    """Raised when the token names no key of its own on secp256k1, or more than one."""


@dataclass(frozen=True)
class ProvedWallet:
    """The wallet that an ID token proves. `mark` is the same for all spellings of one token."""

    address: str
    mark: bytes


@dataclass(frozen=True)
class OldKeys:
    """Why the last fetch of keys has failed, and how old the known keys are."""

    reason: str
    seconds: int


def read(token: str, member_id: UUID, now: datetime) -> ProvedWallet:
    """The wallet that the provider has made for the member.

    Raises IdTokenNotValid, IdTokenTooOld, IdTokenWithoutKey, VendorSilent, VendorMisconfigured.
    """
    claims = _verified(token)
    _check_times(claims, now)
    if _first(claims, USER_NAMES) != str(member_id):
        raise IdTokenNotValid("of another member")
    connection = _setting("WALLET_PROVIDER_CONNECTION")
    if connection not in {claims.get(name) for name in CONNECTION_NAMES if isinstance(claims.get(name), str)}:
        raise IdTokenNotValid("of another connection")
    return ProvedWallet(_address(claims.get("wallets")), hashlib.sha256(token.rpartition(".")[0].encode()).digest())


def old_keys() -> OldKeys | None:
    """Tell why known keys are used although they are old: the last fetch has failed. None while all is well."""
    return _keys().old()


def forget_keys() -> None:
    """Empty the cache, so that the next token has the keys fetched anew."""
    _keys.cache_clear()


class _ProviderKeys:
    """The provider's public keys by key id. One thread fetches them at a time; others wait for it only if they know
    no key of that id.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = self._failed_at = float("-inf")
        self._failure = VendorSilent("not asked yet")

    def get(self, key_id: str) -> "jwt.PyJWK":
        """The key of this id. Raises IdTokenNotValid if the provider has no such key, VendorSilent."""
        is_usable = self._is_usable(key_id)
        is_due = self._age() > KEYS_FRESH_SECONDS or not is_usable
        if is_due and self._lock.acquire(blocking=not is_usable):
            try:
                self._refresh(key_id)
            finally:
                self._lock.release()
        found = self._keys.get(key_id)
        if found is None:
            raise IdTokenNotValid("of an unknown key")
        return found

    def old(self) -> OldKeys | None:
        """Do what `old_keys` says."""
        if not self._keys or self._failed_at <= self._fetched_at:
            return None
        return OldKeys(str(self._failure), round(self._age()))

    def _refresh(self, key_id: str) -> None:
        """Fetch the keys if that is due. A failure is only raised if the known keys do not help."""
        is_usable = self._is_usable(key_id)
        if self._age() <= (KEYS_FRESH_SECONDS if is_usable else UNKNOWN_KEY_SECONDS):
            return
        try:
            self._fetch()
        except VendorSilent:
            if not is_usable:
                raise

    def _fetch(self) -> None:
        if time.monotonic() - self._failed_at <= FAILURE_SECONDS:
            raise self._failure
        try:
            self._keys = _fetched()
        except VendorSilent as failure:
            self._failed_at, self._failure = time.monotonic(), failure
            raise
        self._fetched_at = time.monotonic()

    def _is_usable(self, key_id: str) -> bool:
        return key_id in self._keys and self._age() <= KEYS_KEPT_SECONDS

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at


@cache
def _keys() -> _ProviderKeys:
    return _ProviderKeys()


def _fetched() -> dict[str, "jwt.PyJWK"]:
    """The keys for ES256 that the provider publishes now. Raises VendorSilent for anything but a set with one."""
    answer = vendors.send("GET", f"{_url()}/jwks", {})
    if answer.status != HTTPStatus.OK:
        raise VendorSilent(str(answer.status))
    if len(answer.content) > KEYS_BYTES_MAX:
        raise VendorSilent("the key set is too large")
    listed = vendors.json_object(answer.content, "200").get("keys")
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise VendorSilent("the answer is no key set")
    found = {key.key_id: key for key in map(_key, listed) if key is not None and key.key_id}
    if not found:
        raise VendorSilent("the key set has no key for ES256")
    return found


def _key(said: object) -> "jwt.PyJWK | None":
    """A key of the set; None for one of another kind or use, which is not for ID tokens."""
    import jwt

    if not isinstance(said, dict) or (said.get("kty"), said.get("crv")) != ("EC", "P-256"):
        return None
    if said.get("use", "sig") != "sig" or said.get("alg", ALGORITHM) != ALGORITHM or "d" in said:
        return None
    if not isinstance(said.get("kid"), str):
        return None
    try:
        return jwt.PyJWK(said, algorithm=ALGORITHM)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def _verified(token: str) -> Mapping[str, Any]:
    """The claims of a token that the provider has signed for our project: ES256 only, whatever its header asks for.

    Its times are not checked. Raises IdTokenNotValid, VendorSilent, VendorMisconfigured.
    """
    import jwt

    client_id = _setting("WALLET_PROVIDER_CLIENT_ID")
    try:
        found: dict[str, Any] = jwt.decode(
            token,
            _keys().get(_key_id(token)),
            algorithms=[ALGORITHM],
            audience=client_id,
            issuer=_url(),
            options={
                "require": ["iat", "exp", "aud", "iss"],
                "strict_aud": True,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise IdTokenNotValid(type(error).__name__) from None
    return found


def _key_id(token: str) -> str:
    """The id of the key to try. Nothing else in the header is trusted before the signature is verified."""
    encoded = token.partition(".")[0]
    try:
        key_id = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IdTokenNotValid("no header with a key id") from None
    if not isinstance(key_id, str):
        raise IdTokenNotValid("no key id")
    return key_id


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """Raises IdTokenTooOld for a token that has had its time, IdTokenNotValid for one whose time is to come."""
    issued_at, expires_at = _moment(claims["iat"]), _moment(claims["exp"])
    begins = max(issued_at, _moment(claims["nbf"])) if "nbf" in claims else issued_at
    if begins > now + AHEAD_MAX:
        raise IdTokenNotValid("of a time to come")
    if now - issued_at > TOKEN_LIFE or expires_at <= now:
        raise IdTokenTooOld


def _moment(said: object) -> datetime:
    """A NumericDate (RFC 7519) as a moment. Raises IdTokenNotValid."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise IdTokenNotValid("a time is no number")
    try:
        return datetime.fromtimestamp(said, UTC)
    except (OverflowError, ValueError, OSError):
        raise IdTokenNotValid("a time is out of range") from None


def _first(claims: Mapping[str, Any], names: Sequence[str]) -> object:
    """The first of these claims that the token has."""
    return next((claims[name] for name in names if name in claims), None)


def _address(wallets: object) -> str:
    """The address of the one key on secp256k1. Raises IdTokenNotValid, IdTokenWithoutKey."""
    if not isinstance(wallets, list) or len(wallets) > WALLETS_MAX or not all(isinstance(it, dict) for it in wallets):
        raise IdTokenNotValid("no list of wallets")
    keys = {str(it.get("public_key")) for it in wallets if (it.get("type"), it.get("curve")) == (KEY_TYPE, CURVE)}
    if len(keys) != 1:
        raise IdTokenWithoutKey
    try:
        return ethereum.address_of(keys.pop())
    except ethereum.PublicKeyMalformed:
        raise IdTokenWithoutKey from None


def _url() -> str:
    return os.environ.get("WALLET_PROVIDER_URL", URL_DEFAULT)


def _setting(name: str) -> str:
    found = os.environ.get(name, "").strip()
    if not found:
        raise VendorMisconfigured(f"{name} is not set")
    return found
