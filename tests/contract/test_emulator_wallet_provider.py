"""The port reads what the stand-in of the wallet provider says, and believes none of its lies (RFC 8725)."""

import hashlib
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from jwt.utils import base64url_decode, base64url_encode, der_to_raw_signature, raw_to_der_signature

from emulators.vendor import Fault, VendorError
from emulators.wallet_provider import TOKEN_AUDIENCE, TOKEN_ISSUER, KeysFault, Lie, WalletProviderStandIn
from shared.ports import sessions, vendors, wallet_provider
from shared.ports.vendors import VendorMisconfigured, VendorSilent
from shared.ports.wallet_provider import IdTokenNotValid, IdTokenTooOld, IdTokenWithoutKey, ProvedWallet

MEMBER = UUID("0b5c6a3e-5c6e-4d0a-8a53-0d1f6a1b2c3d")
CURVE = ec.SECP256R1()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TOO_OLD = {Lie.OLD, Lie.EXPIRED}
WITHOUT_KEY = {Lie.OTHER_CURVE, Lie.SWAPPED_CURVE, Lie.OFF_THE_CURVE, Lie.EXTERNAL_WALLET, Lie.OTHER_KEY_TYPE,
               Lie.TWO_KEYS}  # fmt: skip


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[WalletProviderStandIn]:
    made = WalletProviderStandIn()
    made.start()
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    wallet_provider.forget_keys()
    yield made
    sessions.close()
    made.stop()
    wallet_provider.forget_keys()


def read(token: str, now: datetime | None = None) -> ProvedWallet:
    return wallet_provider.read(token, MEMBER, now or datetime.now(UTC))


def test_a_token_proves_the_wallet_whose_key_it_names(stand_in: WalletProviderStandIn) -> None:
    token = stand_in.id_token(str(MEMBER))
    found = read(token)
    assert found.address == stand_in.wallet_of(str(MEMBER)).address
    assert found.mark == hashlib.sha256(token.rpartition(".")[0].encode()).digest()


@pytest.mark.parametrize("lie", Lie)
def test_no_lie_is_believed(stand_in: WalletProviderStandIn, lie: Lie) -> None:
    assert read(stand_in.id_token(str(MEMBER)))
    refusal = IdTokenTooOld if lie in TOO_OLD else IdTokenWithoutKey if lie in WITHOUT_KEY else IdTokenNotValid
    with pytest.raises(refusal):
        read(stand_in.id_token(str(MEMBER), lie))


@pytest.mark.parametrize(
    "token", ["", "a", "..", "a.b.c", "e30.e30.", "W10.e30.x", "bnVsbA.e30.x", "[" * 900 + ".e30.x"]
)
def test_what_is_no_token_is_refused_without_asking(stand_in: WalletProviderStandIn, token: str) -> None:
    with pytest.raises(IdTokenNotValid):
        read(token)
    assert stand_in.fetched == 0


def test_a_member_is_named_as_each_version_of_the_sdk_does_it(stand_in: WalletProviderStandIn) -> None:
    other = str(UUID(int=7))
    assert read(stand_in.id_token(other, userId=str(MEMBER)))
    assert read(stand_in.id_token(other, Lie.NOBODY, verifierId=str(MEMBER)))
    with pytest.raises(IdTokenNotValid):
        read(stand_in.id_token(other, sub=str(MEMBER)))  # who is named first decides
    with pytest.raises(IdTokenNotValid):
        read(stand_in.id_token(str(MEMBER), userId=[str(MEMBER)]))


def test_it_is_good_for_ten_minutes_and_for_clocks_that_differ_by_thirty_seconds(
    stand_in: WalletProviderStandIn,
) -> None:
    issued_at = datetime.now(UTC).replace(microsecond=0)
    token = stand_in.id_token(str(MEMBER), iat=int(issued_at.timestamp()))
    assert read(token, issued_at + timedelta(minutes=10))
    assert read(token, issued_at - timedelta(seconds=30))
    with pytest.raises(IdTokenTooOld):
        read(token, issued_at + timedelta(minutes=10, seconds=1))
    with pytest.raises(IdTokenNotValid):
        read(token, issued_at - timedelta(seconds=31))


@pytest.mark.parametrize("moment", [True, None, "1", [1], 1e400, -1e400, float("nan"), -(10**20), {}])
@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
def test_a_time_is_a_number_of_the_calendar(stand_in: WalletProviderStandIn, name: str, moment: object) -> None:
    with pytest.raises(IdTokenNotValid):
        read(stand_in.id_token(str(MEMBER), None, **{name: moment}))


def test_the_other_signature_of_the_same_content_has_the_same_mark(stand_in: WalletProviderStandIn) -> None:
    """An ECDSA signature (r, s) is as valid as (r, n - s): a token that was used would come as another one."""
    token = stand_in.id_token(str(MEMBER))
    signed, _, signature = token.rpartition(".")
    r, s = decode_dss_signature(raw_to_der_signature(base64url_decode(signature), CURVE))
    twin = der_to_raw_signature(encode_dss_signature(r, P256_ORDER - s), CURVE)
    other = f"{signed}.{base64url_encode(twin).decode()}"
    assert other != token
    assert read(other) == read(token)


def test_keys_are_fetched_once_and_again_when_a_new_one_signs(
    stand_in: WalletProviderStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stand_in.id_token(str(MEMBER))
    for _ in range(3):
        read(old)
    assert stand_in.fetched == 1
    monkeypatch.setattr(wallet_provider, "UNKNOWN_KEY_SECONDS", 0.0)
    stand_in.rotate()
    assert read(stand_in.id_token(str(MEMBER)))
    assert read(old)
    assert stand_in.fetched == 2


def test_a_key_that_is_no_longer_published_is_not_believed_once_keys_are_old(
    stand_in: WalletProviderStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = stand_in.id_token(str(MEMBER))
    assert read(token)
    stand_in.rotate(drop=True)
    assert read(token), "keys are kept for ten minutes"
    monkeypatch.setattr(wallet_provider, "KEYS_FRESH_SECONDS", 0.0)
    with pytest.raises(IdTokenNotValid):
        read(token)


def test_made_up_key_ids_do_not_make_us_ask_again_and_again(stand_in: WalletProviderStandIn) -> None:
    for _ in range(10):
        with pytest.raises(IdTokenNotValid):
            read(stand_in.id_token(str(MEMBER), Lie.UNKNOWN_KEY))
    assert stand_in.fetched == 1


def test_threads_that_come_together_ask_once(stand_in: WalletProviderStandIn) -> None:
    token = stand_in.id_token(str(MEMBER))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: read(token), range(8)))
    assert len(set(found)) == stand_in.fetched == 1


SILENT = [Fault.UNANSWERED, Fault.TIMEOUT, Fault.NONSENSE, Fault.FOREIGN_NOT_FOUND, Fault.INTERNAL_ERROR,
          Fault.TOO_MANY_REQUESTS, Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.REFUSED]  # fmt: skip


@pytest.mark.parametrize("fault", [*SILENT, *KeysFault])
def test_without_keys_nothing_is_known(
    stand_in: WalletProviderStandIn, monkeypatch: pytest.MonkeyPatch, fault: Fault | KeysFault
) -> None:
    monkeypatch.setattr(vendors, "ANSWER_SECONDS_MAX", 0.3)
    monkeypatch.setattr(vendors, "WHOLE_ANSWER_SECONDS_MAX", 0.6)
    monkeypatch.setattr(wallet_provider, "FAILURE_SECONDS", 0.0)
    if isinstance(fault, Fault):
        stand_in.fail_next(1, fault)
    else:
        stand_in.fail_keys_next(fault)
    token = stand_in.id_token(str(MEMBER))
    started = time.monotonic()
    with pytest.raises(VendorSilent):
        read(token)
    assert time.monotonic() - started < 3
    assert read(token), "the next one asks again"


@pytest.mark.parametrize("fault", [Fault.UNANSWERED, Fault.INTERNAL_ERROR, KeysFault.EMPTY, KeysFault.OTHER_KINDS])
def test_known_keys_are_good_for_a_day_while_the_provider_is_down(
    stand_in: WalletProviderStandIn, monkeypatch: pytest.MonkeyPatch, fault: Fault | KeysFault
) -> None:
    token = stand_in.id_token(str(MEMBER))
    assert read(token)
    for name in ("KEYS_FRESH_SECONDS", "UNKNOWN_KEY_SECONDS", "FAILURE_SECONDS"):
        monkeypatch.setattr(wallet_provider, name, 0.0)
    for _ in range(3):
        if isinstance(fault, Fault):
            stand_in.fail_next(1, fault)
        else:
            stand_in.fail_keys_next(fault)
    assert read(token)
    with pytest.raises(VendorSilent):
        read(stand_in.id_token(str(MEMBER), Lie.UNKNOWN_KEY))  # it may be a new key
    monkeypatch.setattr(wallet_provider, "KEYS_KEPT_SECONDS", 0.0)
    with pytest.raises(VendorSilent):
        read(token)
    assert read(token), "the provider is back"


def test_after_a_failure_nobody_waits_for_it_again_at_once(stand_in: WalletProviderStandIn) -> None:
    stand_in.fail_next(1, Fault.INTERNAL_ERROR)
    for _ in range(5):
        with pytest.raises(VendorSilent):
            read(stand_in.id_token(str(MEMBER)))
    assert stand_in.fetched == 0


def test_nobody_waits_longer_than_the_function_may_run() -> None:
    assert vendors.CONNECT_SECONDS_MAX + vendors.WHOLE_ANSWER_SECONDS_MAX + vendors.ANSWER_SECONDS_MAX < 30


@pytest.mark.parametrize("name", ["WALLET_PROVIDER_CLIENT_ID", "WALLET_PROVIDER_CONNECTION"])
def test_without_our_project_no_token_is_read(
    stand_in: WalletProviderStandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    token = stand_in.id_token(str(MEMBER))
    monkeypatch.setenv(name, " ")
    with pytest.raises(VendorMisconfigured, match=name):
        read(token)


# The stand-in takes our tokens as the provider does.

OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def our_token(key: rsa.RSAPrivateKey = OURS, kid: str | None = "ours", **changes: object) -> str:
    now = int(time.time())
    claims = {"iss": TOKEN_ISSUER, "aud": TOKEN_AUDIENCE, "sub": str(MEMBER), "jti": secrets.token_hex(8), "iat": now,
              "exp": now + 60, **changes}  # fmt: skip
    return jwt.encode(claims, key, "RS256", {"kid": kid} if kid else {})


@pytest.fixture
def trusting(stand_in: WalletProviderStandIn) -> WalletProviderStandIn:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(OURS.public_key(), as_dict=True)
    stand_in.fetch_keys = lambda: {"keys": [{**public, "kid": "ours", "alg": "RS256", "use": "sig"}]}
    return stand_in


def test_a_token_of_ours_opens_the_members_wallet_once(trusting: WalletProviderStandIn) -> None:
    token = our_token()
    assert read(trusting.connect(token)).address == trusting.wallet_of(str(MEMBER)).address
    with pytest.raises(VendorError, match="duplicate token"):
        trusting.connect(token)
    assert read(trusting.connect(our_token())).address == trusting.wallet_of(str(MEMBER)).address


@pytest.mark.parametrize(
    "token",
    [
        "no token",
        our_token(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        our_token(kid=None),
        our_token(kid="theirs"),
        our_token(aud="blakjaks"),
        our_token(iss="https://example.com"),
        our_token(iat=1),
    ],
    ids=["no token", "another key", "no kid", "an unknown kid", "an access token's audience", "another issuer", "old"],
)
def test_any_other_token_opens_nothing(trusting: WalletProviderStandIn, token: str) -> None:
    with pytest.raises(VendorError):
        trusting.connect(token)


def test_it_lies_once_when_asked(trusting: WalletProviderStandIn) -> None:
    trusting.lie_next(Lie.OTHER_PROJECT)
    with pytest.raises(IdTokenNotValid):
        read(trusting.connect(our_token()))
    assert read(trusting.connect(our_token()))
