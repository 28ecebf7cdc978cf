"""A local MetaMask Embedded Wallets (Web3Auth): a wallet for each member of our custom connection, and its ID tokens.

`GET /jwks` has the keys of ID tokens. `POST /v1/connect` with `{"token"}` stands for its SDK in an app: the token of
ours is verified with the keys that we publish, as its nodes do it (RS256, `kid`, issuer, audience, at most 60 seconds
since `iat`, once), and the answer is `{"id_token"}` (ES256, for a day).
https://docs.metamask.io/embedded-wallets/authentication/id-token

Differs from the provider: a wallet's key is made of the member's id and has no shares. It never leaves this process;
`wallet_of` gives it to code that plays the app, which has it from the SDK. Wallets are forgotten at the end.

It lies when a test asks for it (`Lie`), and its key set fails in ways of its own (`KeysFault`).
"""

import base64
import collections
import enum
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.request import urlopen

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey

from emulators.vendor import Answered, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks
from shared import clock

CLIENT_ID = "local-embedded-wallets-project"
CONNECTION = "blakjaks-local"
TOKEN_ISSUER = "https://api.blakjaks.com"  # noqa: S105 - of our tokens
TOKEN_AUDIENCE = "blakjaks-wallet"  # noqa: S105 - likewise
TOKEN_SECONDS_MAX = 60
ID_TOKEN_SECONDS = 86_400
DAY = 86_400
FETCH_SECONDS_MAX = 5.0
JWKS_PATH = "/jwks"
CONNECT_PATH = "/v1/connect"
KEY_TYPE = "web3auth_app_key"
SLOW_PIECES = 400
SLOW_SECONDS = 0.05

JsonObject = dict[str, Any]


class Lie(enum.Enum):
    """The ways in which an ID token can be wrong."""

    UNSIGNED = "alg none, without a signature"
    SIGNED_WITH_PUBLIC_KEY = "HS256, with the published key as its secret"
    OWN_KEY = "another key, which the header brings along"
    UNKNOWN_KEY = "another key under an id that nobody publishes"
    NO_KEY_ID = "a header without kid"
    SHORTER_HASH = "the right key's id with RS256 in the header"
    CHANGED_AFTERWARDS = "claims that were changed after the signature"
    CRITICAL = "a header with an extension that must be understood"
    OTHER_PROJECT = "of another project"
    PROJECTS = "of our project and another one"
    OTHER_ISSUER = "of another issuer"
    OTHER_CONNECTION = "of another connection of our project"
    OTHER_MEMBER = "of another member"
    NOBODY = "of nobody"
    TO_COME = "issued in an hour"
    NOT_YET = "good in an hour"
    TIMELESS = "without iat"
    ENDLESS = "without exp"
    WORDS_FOR_TIMES = "with a text as iat"
    BEYOND_TIME = "with an iat that no calendar has"
    OLD = "issued eleven minutes ago"
    EXPIRED = "with an exp that is over"
    OTHER_CURVE = "with a key on ed25519 only"
    SWAPPED_CURVE = "with the ed25519 key named as one on secp256k1"
    OFF_THE_CURVE = "with a key that is no point of secp256k1"
    EXTERNAL_WALLET = "with the address of a wallet that the provider has not made"
    OTHER_KEY_TYPE = "with a key of another type"
    TWO_KEYS = "with two keys on secp256k1"
    NO_WALLETS = "without wallets"
    WORDS_FOR_WALLETS = "with a text as wallets"


class KeysFault(enum.Enum):
    """The ways in which the key set can be wrong, besides the faults of every call."""

    HUGE = "more than a megabyte"
    SLOW = "piece by piece, for many seconds"
    MANY = "a thousand keys"
    EMPTY = "no key"
    OTHER_KINDS = "keys of other kinds, and a private one"
    NO_SET = "a list"


class WalletProviderStandIn(VendorStandIn):
    """The service. `now` is its clock; `fetch_keys` gives the key set that we publish."""

    handler: ClassVar[type[VendorHandler]]

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        super().__init__(Webhooks("wallets", "POST", lambda _: {}))  # it sends none
        self.now = now
        self.fetch_keys: Callable[[], Mapping[str, Any]] = lambda: {"keys": []}
        self.fetched = 0  # how often its key set was asked for
        self._secret = secrets.token_bytes(32)
        self._taken: dict[str, float] = {}  # our tokens by digest, with their iat
        self._lies: collections.deque[Lie] = collections.deque()
        self._keys_faults: collections.deque[KeysFault] = collections.deque()
        self._keys = [SigningKey()]

    @property
    def settings(self) -> dict[str, str]:
        return {
            "WALLET_PROVIDER_URL": self.url,
            "WALLET_PROVIDER_CLIENT_ID": CLIENT_ID,
            "WALLET_PROVIDER_CONNECTION": CONNECTION,
        }

    def trust(self, base: str) -> None:
        """Verify our tokens with the keys that the platform with this base URL publishes."""

        def fetch() -> Mapping[str, Any]:
            with urlopen(f"{base}/.well-known/jwks.json", timeout=FETCH_SECONDS_MAX) as answer:  # noqa: S310 - ours
                found: JsonObject = json.loads(answer.read())
                return found

        self.fetch_keys = fetch

    def forget(self) -> None:
        self._taken.clear()
        self._lies.clear()
        self._keys_faults.clear()
        self._keys = [SigningKey()]
        self.fetched = 0

    def lie_next(self, lie: Lie) -> None:
        """Have the next ID token be wrong in this way."""
        with self.lock:
            self._lies.append(lie)

    def fail_keys_next(self, fault: KeysFault) -> None:
        """Have the next key set be wrong in this way."""
        with self.lock:
            self._keys_faults.append(fault)

    def rotate(self, *, drop: bool = False) -> None:
        """Sign with a new key from now on. The old one stays in the set, unless it is dropped."""
        with self.lock:
            self._keys = [SigningKey(), *([] if drop else self._keys)]

    def wallet_of(self, member_id: str) -> LocalAccount:
        """The member's wallet, as the SDK gives it to the app."""
        made: LocalAccount = Account.from_key(hmac.digest(self._secret, member_id.encode(), "sha256"))
        return made

    def connect(self, token: str) -> str:
        """The ID token for a token of ours. Raises VendorError as the provider's nodes refuse."""
        claims = self._checked(token)
        with self.lock:
            self._taken = {known: at for known, at in self._taken.items() if at > claims["iat"] - DAY}
            digest = hashlib.sha256(token.encode()).hexdigest()
            if digest in self._taken:
                raise VendorError(HTTPStatus.BAD_REQUEST, "duplicate token found")
            self._taken[digest] = claims["iat"]
            lie = self._lies.popleft() if self._lies else None
        return self.id_token(claims["sub"], lie)

    def id_token(self, member_id: str, lie: Lie | None = None, **changes: object) -> str:
        """An ID token of the member's; `changes` replace claims."""
        claims = self._claims(member_id) | changes
        with self.lock:
            key = self._keys[0]
        if lie in FALSE_CLAIMS:
            claims = FALSE_CLAIMS[lie](claims)
        elif lie in FALSE_TOKENS:
            return FALSE_TOKENS[lie](claims, key)
        return key.signed(claims)

    def key_set(self) -> JsonObject:
        """The key set that is published now."""
        with self.lock:
            self.fetched += 1
            return {"keys": [key.jwk for key in self._keys]}

    def next_keys_fault(self) -> KeysFault | None:
        with self.lock:
            return self._keys_faults.popleft() if self._keys_faults else None

    def _checked(self, token: str) -> JsonObject:
        """The claims of a token of ours. Raises VendorError."""
        try:
            key_id = jwt.get_unverified_header(token)["kid"]
            known = {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(self.fetch_keys())).keys}
            claims: JsonObject = jwt.decode(
                token,
                known[key_id],
                algorithms=["RS256"],
                audience=TOKEN_AUDIENCE,
                issuer=TOKEN_ISSUER,
                options={"require": ["iat", "exp", "sub"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError, OSError, ValueError):
            raise VendorError(HTTPStatus.BAD_REQUEST, "unable to verify jwt token") from None
        if not -TOKEN_SECONDS_MAX <= claims["iat"] - self.now().timestamp() <= TOKEN_SECONDS_MAX:
            raise VendorError(HTTPStatus.BAD_REQUEST, "timesigned is more than 1m0s ago")
        return claims

    def _claims(self, member_id: str) -> JsonObject:
        wallet = PrivateKey(bytes(self.wallet_of(member_id).key)).public_key
        issued_at = int(self.now().timestamp())
        other = hashlib.sha256(member_id.encode()).hexdigest()
        return {
            "iat": issued_at,
            "aud": CLIENT_ID,
            "nonce": secrets.token_hex(32),
            "iss": self.url,
            "wallets": [
                {"public_key": other, "type": KEY_TYPE, "curve": "ed25519"},
                {"public_key": wallet.to_compressed_bytes().hex(), "type": KEY_TYPE, "curve": "secp256k1"},
            ],
            "authConnection": "custom",
            "authConnectionId": CONNECTION,
            "userId": member_id,
            "exp": issued_at + ID_TOKEN_SECONDS,
        }


class SigningKey:
    """A key of the provider's for ID tokens."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_urlsafe(16)

    @property
    def jwk(self) -> JsonObject:
        """The public half as a JSON Web Key."""
        public: JsonObject = jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.id, "alg": "ES256", "use": "sig"}

    @property
    def pem(self) -> bytes:
        """The public half as people write it into files."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def signed(self, claims: Mapping[str, object], **header: object) -> str:
        """A compact JWT; `header` replaces fields of its header, None leaves one out."""
        given = {"kid": self.id, **header}
        return jwt.encode(
            dict(claims), self.private, "ES256", {name: value for name, value in given.items() if value is not None}
        )


def without(claims: JsonObject, name: str) -> JsonObject:
    return {given: value for given, value in claims.items() if given != name}


def with_keys(claims: JsonObject, *wallets: Mapping[str, object]) -> JsonObject:
    return claims | {"wallets": [{"type": KEY_TYPE, "curve": "secp256k1", **wallet} for wallet in wallets]}


def _other_key() -> str:
    return PrivateKey(secrets.token_bytes(32)).public_key.to_compressed_bytes().hex()


FALSE_CLAIMS: Mapping[Lie | None, Callable[[JsonObject], JsonObject]] = {
    Lie.OTHER_PROJECT: lambda claims: claims | {"aud": "another-project"},
    Lie.PROJECTS: lambda claims: claims | {"aud": [CLIENT_ID, "another-project"]},
    Lie.OTHER_ISSUER: lambda claims: claims | {"iss": "https://authjs.web3auth.io"},
    Lie.OTHER_CONNECTION: lambda claims: claims | {"authConnectionId": "google"},
    Lie.OTHER_MEMBER: lambda claims: claims | {"userId": "6f0d3c1e-52a1-4a53-9f4e-0a7f3b6d5c21"},
    Lie.NOBODY: lambda claims: without(claims, "userId"),
    Lie.TO_COME: lambda claims: claims | {"iat": claims["iat"] + 3600},
    Lie.NOT_YET: lambda claims: claims | {"nbf": claims["iat"] + 3600},
    Lie.TIMELESS: lambda claims: without(claims, "iat"),
    Lie.ENDLESS: lambda claims: without(claims, "exp"),
    Lie.WORDS_FOR_TIMES: lambda claims: claims | {"iat": "now"},
    Lie.BEYOND_TIME: lambda claims: claims | {"iat": 10**20},
    Lie.OLD: lambda claims: claims | {"iat": claims["iat"] - 11 * 60},
    Lie.EXPIRED: lambda claims: claims | {"exp": claims["iat"] - 1},
    Lie.OTHER_CURVE: lambda claims: claims | {"wallets": claims["wallets"][:1]},
    Lie.SWAPPED_CURVE: lambda claims: with_keys(claims, {"public_key": claims["wallets"][0]["public_key"]}),
    Lie.OFF_THE_CURVE: lambda claims: with_keys(claims, {"public_key": "02" + "ff" * 32}),
    Lie.EXTERNAL_WALLET: lambda claims: claims | {"wallets": [{"address": "0x" + "5" * 40, "type": "ethereum"}]},
    Lie.OTHER_KEY_TYPE: lambda claims: with_keys(claims, claims["wallets"][1] | {"type": "web3auth_threshold_key"}),
    Lie.TWO_KEYS: lambda claims: with_keys(claims, claims["wallets"][1], {"public_key": _other_key()}),
    Lie.NO_WALLETS: lambda claims: without(claims, "wallets"),
    Lie.WORDS_FOR_WALLETS: lambda claims: claims | {"wallets": "secp256k1"},
}


def _part(value: Mapping[str, object]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def _signed_with_public_key(claims: JsonObject, key: SigningKey) -> str:
    """Some libraries take the published key for the secret of an HMAC (RFC 8725, section 2.1)."""
    signed = _part({"alg": "HS256", "typ": "JWT", "kid": key.id}) + b"." + _part(claims)
    mac = base64.urlsafe_b64encode(hmac.digest(key.pem, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + mac).decode()


def _changed_afterwards(claims: JsonObject, key: SigningKey) -> str:
    header, _, signature = key.signed(claims).split(".")
    return f"{header}.{_part(with_keys(claims, {'public_key': _other_key()})).decode()}.{signature}"


def _own_key(claims: JsonObject, key: SigningKey) -> str:
    other = SigningKey()
    return other.signed(claims, kid=key.id, jwk=other.jwk)


def _shorter_hash(claims: JsonObject, key: SigningKey) -> str:
    _, payload, signature = key.signed(claims).split(".")
    return f"{_part({'alg': 'RS256', 'typ': 'JWT', 'kid': key.id}).decode()}.{payload}.{signature}"


FALSE_TOKENS: Mapping[Lie | None, Callable[[JsonObject, SigningKey], str]] = {
    Lie.UNSIGNED: lambda claims, key: f"{_part({'alg': 'none', 'kid': key.id}).decode()}.{_part(claims).decode()}.",
    Lie.SIGNED_WITH_PUBLIC_KEY: _signed_with_public_key,
    Lie.OWN_KEY: _own_key,
    Lie.UNKNOWN_KEY: lambda claims, _: SigningKey().signed(claims),
    Lie.NO_KEY_ID: lambda claims, key: key.signed(claims, kid=None),
    Lie.SHORTER_HASH: _shorter_hash,
    Lie.CHANGED_AFTERWARDS: _changed_afterwards,
    Lie.CRITICAL: lambda claims, key: key.signed(claims, crit=["exp"]),
}


def faulty_keys(fault: KeysFault) -> object:
    """A key set that is wrong in this way."""
    key = SigningKey()
    private: JsonObject = jwt.algorithms.ECAlgorithm.to_jwk(key.private, as_dict=True)
    other_curve = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    keys: Mapping[KeysFault, Sequence[object]] = {
        KeysFault.HUGE: [key.jwk | {"x5c": ["A" * 1_200_000]}],
        KeysFault.MANY: [SigningKey().jwk for _ in range(100)] * 10,
        KeysFault.EMPTY: [],
        KeysFault.OTHER_KINDS: [{**private, "kid": "a"}, {**other_curve, "kid": "b"}, {"kty": "oct", "k": "AA"}, None,
                                key.jwk | {"use": "enc"}, key.jwk | {"x": "AA"}, without(key.jwk, "kid")],
    }  # fmt: skip
    return [key.jwk] if fault is KeysFault.NO_SET else {"keys": keys[fault]}


class _WalletProviderHandler(VendorHandler):
    stand_in: WalletProviderStandIn

    def is_for_operators(self) -> bool:
        return self.target_path not in (JWKS_PATH, CONNECT_PATH)

    def authorised(self) -> bool:
        return True

    def done(self, asked: Mapping[str, Any]) -> Answered:
        if self.target_path == CONNECT_PATH:
            return HTTPStatus.OK, {"id_token": self.stand_in.connect(str(asked.get("token")))}
        return HTTPStatus.OK, self.stand_in.key_set()

    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        fault = self.stand_in.next_keys_fault() if self.target_path == JWKS_PATH else None
        if fault is KeysFault.SLOW:
            self._drip()
        elif fault:
            self.answer_json(HTTPStatus.OK, faulty_keys(fault))
        else:
            super().do_GET()

    def _drip(self) -> None:
        """Send an answer so slowly that it seems never to end."""
        self.close_connection = True
        self.send_head(HTTPStatus.OK, SLOW_PIECES, "application/json")
        for _ in range(SLOW_PIECES):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(SLOW_SECONDS)


WalletProviderStandIn.handler = _WalletProviderHandler
