"""Does the identity stand-in hand out tokens that Google's own verifiers accept, and sign as IAM Credentials does?"""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

import google.auth.transport.requests
import jwt
import pytest
import requests
from google.oauth2 import id_token

from emulators.identity import Identity, minted
from shared.ports.identity import SigningRefused, SigningUnavailable, sign_jwt

PUSHER = "pusher@blakjaks.iam.gserviceaccount.com"
AUDIENCE = "https://payout-send.example"


@pytest.fixture(scope="module")
def identity() -> Iterator[Identity]:
    identity = Identity()
    identity.start()
    yield identity
    identity.stop()


@pytest.fixture
def signer(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> Identity:
    monkeypatch.setenv("IAM_CREDENTIALS_URL", identity.url)
    return identity


def google_verifies(identity: Identity, token: str, audience: str) -> Mapping[str, object]:
    request = google.auth.transport.requests.Request()
    return id_token.verify_token(token, request, audience=audience, certs_url=f"{identity.url}/oauth2/v3/certs")


def published_key(url: str, token: str) -> jwt.PyJWK:
    return jwt.PyJWKClient(url).get_signing_key_from_jwt(token)


def test_googles_verifier_accepts_a_minted_token(identity: Identity) -> None:
    claims = google_verifies(identity, identity.mint(PUSHER, AUDIENCE), AUDIENCE)
    assert claims["iss"] == "https://accounts.google.com"
    assert (claims["email"], claims["email_verified"]) == (PUSHER, True)


def test_a_minted_token_names_the_account_twice_and_lasts_an_hour(identity: Identity) -> None:
    claims = google_verifies(identity, identity.mint(PUSHER, AUDIENCE), AUDIENCE)
    assert claims["azp"] == claims["sub"]
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 3600


def test_a_token_for_one_audience_is_refused_by_another(identity: Identity) -> None:
    with pytest.raises(jwt.InvalidAudienceError):
        google_verifies(identity, identity.mint(PUSHER, AUDIENCE), "https://wallet.example")


def test_a_token_of_another_identity_is_refused(identity: Identity) -> None:
    forged = Identity().mint(PUSHER, AUDIENCE)
    with pytest.raises(jwt.PyJWKClientError, match="signing key"):
        google_verifies(identity, forged, AUDIENCE)


def test_a_token_is_minted_once_for_an_account_and_audience(identity: Identity) -> None:
    assert identity.mint(PUSHER, AUDIENCE) is identity.mint(PUSHER, AUDIENCE)
    assert identity.mint(PUSHER, AUDIENCE) != identity.mint("other@blakjaks.iam.gserviceaccount.com", AUDIENCE)


def test_a_token_is_renewed_five_minutes_before_its_end(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.time()
    first = identity.mint(PUSHER, "https://renewed.example")
    monkeypatch.setattr(time, "time", lambda: start + 3600 - 301)
    assert identity.mint(PUSHER, "https://renewed.example") == first
    monkeypatch.setattr(time, "time", lambda: start + 3600 - 299)
    assert identity.mint(PUSHER, "https://renewed.example") != first


def test_a_signed_jwt_verifies_with_the_accounts_published_key(signer: Identity) -> None:
    token = sign_jwt(PUSHER, {"sub": "member-1", "aud": "app"})
    key = published_key(f"{signer.url}/service_accounts/v1/jwk/{PUSHER}", token)
    assert jwt.decode(token, key, algorithms=["RS256"], audience="app") == {"sub": "member-1", "aud": "app"}


def test_signing_answers_with_the_id_of_the_key(signer: Identity) -> None:
    answer = requests.post(
        f"{signer.url}/v1/projects/-/serviceAccounts/{PUSHER}:signJwt", json={"payload": '{"sub": "x"}'}, timeout=5
    )
    assert set(answer.json()) == {"keyId", "signedJwt"}
    assert jwt.get_unverified_header(answer.json()["signedJwt"])["kid"] == answer.json()["keyId"]


@pytest.mark.usefixtures("signer")
def test_claims_that_outlive_twelve_hours_are_refused() -> None:
    with pytest.raises(SigningRefused, match="12 hours"):
        sign_jwt(PUSHER, {"exp": int(time.time()) + 13 * 3600})


def test_twelve_hours_are_counted_from_the_stacks_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose clock was moved by days goes on signing, and refuses as before."""
    moved = datetime.now(UTC) + timedelta(days=30)
    identity = Identity(now=lambda: moved)
    identity.start()
    try:
        monkeypatch.setenv("IAM_CREDENTIALS_URL", identity.url)
        token = sign_jwt(PUSHER, {"exp": int(moved.timestamp()) + 3600})
        with pytest.raises(SigningRefused, match="12 hours"):
            sign_jwt(PUSHER, {"exp": int(moved.timestamp()) + 13 * 3600})
    finally:
        identity.stop()

    assert jwt.decode(token, options={"verify_signature": False})["exp"] == int(moved.timestamp()) + 3600


@pytest.mark.usefixtures("signer")
def test_signing_for_something_that_is_no_account_is_refused() -> None:
    with pytest.raises(SigningRefused, match="404"):
        sign_jwt("nobody", {})


def test_a_signer_that_cannot_be_reached_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("IAM_CREDENTIALS_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(SigningUnavailable):
            sign_jwt(PUSHER, {})


@pytest.mark.parametrize("body", ["", "{}", '{"payload": "no json"}', '{"payload": "[1]"}', "[]"])
def test_a_malformed_payload_is_answered_with_googles_error_shape(signer: Identity, body: str) -> None:
    answer = requests.post(f"{signer.url}/v1/projects/-/serviceAccounts/{PUSHER}:signJwt", data=body, timeout=5)
    error = answer.json()["error"]
    assert answer.status_code == error["code"] == 400
    assert error["status"] == "INVALID_ARGUMENT"


def test_who_knows_the_secret_has_tokens_minted_over_http() -> None:
    identity = Identity("shared with the stack's own processes")
    identity.start()
    token = minted(identity.url, "shared with the stack's own processes", PUSHER, AUDIENCE)
    assert google_verifies(identity, token, AUDIENCE)["email"] == PUSHER
    identity.stop()


@pytest.mark.parametrize(("secret", "offered"), [("right", "wrong"), ("right", ""), (None, "")])
def test_nobody_else_has_tokens_minted(secret: str | None, offered: str) -> None:
    identity = Identity(secret)
    identity.start()
    with pytest.raises(HTTPError, match="404"):
        minted(identity.url, offered, PUSHER, AUDIENCE)
    identity.stop()


def test_an_unknown_path_is_answered_with_googles_error_shape(signer: Identity) -> None:
    answer = requests.get(f"{signer.url}/oauth2/v1/certs", timeout=5)
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_stopping_does_not_wait_for_a_silent_client() -> None:
    identity = Identity()
    identity.start()
    port = int(identity.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"GET /oauth2/v3/certs HTTP/1.1\r\n")
        started = time.monotonic()
        identity.stop()
        assert time.monotonic() - started < 2
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port))


CUSTOM_AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
FIREBASE = "firebase@blakjaks-local.iam.gserviceaccount.com"


def custom_token(**changes: object) -> dict[str, object]:
    now = int(time.time())
    made = {"iss": FIREBASE, "sub": FIREBASE, "aud": CUSTOM_AUDIENCE, "uid": "ada", "iat": now, "exp": now + 300,
            "claims": {"tier": "vip"}}  # fmt: skip
    return made | changes


def exchanged(identity: Identity, token: str) -> requests.Response:
    path = "/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken?key=any"
    return requests.post(f"{identity.url}{path}", json={"token": token, "returnSecureToken": True}, timeout=5)


def test_firebase_exchanges_a_custom_token_for_id_tokens_as_often_as_it_lives(identity: Identity) -> None:
    token = identity.sign(custom_token())
    for _ in range(2):
        answer = exchanged(identity, token)
        assert answer.status_code == 200
        said = jwt.decode(
            answer.json()["idToken"],
            published_key(f"{identity.url}/oauth2/v3/certs", answer.json()["idToken"]),
            algorithms=["RS256"],
            audience="blakjaks-local",
            issuer="https://securetoken.google.com/blakjaks-local",
        )
        assert (said["sub"], said["user_id"], said["tier"]) == ("ada", "ada", "vip")
        assert abs(said["auth_time"] - time.time()) < 5
        assert answer.json()["expiresIn"] == "3600"


def test_it_renews_id_tokens_for_ever_with_the_claims_and_the_time_of_the_exchange(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = exchanged(identity, identity.sign(custom_token())).json()
    signed_in_at = jwt.decode(first["idToken"], options={"verify_signature": False})["auth_time"]
    later = time.time() + 90 * 24 * 3600
    monkeypatch.setattr(identity.firebase, "now", lambda: datetime.fromtimestamp(later, UTC))
    form = {"grant_type": "refresh_token", "refresh_token": first["refreshToken"]}
    answer = requests.post(f"{identity.url}/securetoken.googleapis.com/v1/token?key=any", data=form, timeout=5)
    said = jwt.decode(answer.json()["id_token"], options={"verify_signature": False})
    assert (said["auth_time"], said["iat"], said["tier"]) == (signed_in_at, int(later), "vip")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -1},
        {"exp": 7200},
        {"iat": 600},
        {"aud": "https://example.com"},
        {"iss": "other@blakjaks-local.iam.gserviceaccount.com"},
        {"uid": ""},
        {"uid": "x" * 129},
        {"uid": 7},
        {"claims": {"auth_time": 1}},
        {"claims": {"long": "x" * 1000}},
    ],
    ids=["ended", "lives too long", "not yet", "for others", "of another account", "of nobody", "a long name",
         "a number", "a reserved claim", "too much"],
)  # fmt: skip
def test_a_custom_token_that_firebase_would_refuse_is_refused(identity: Identity, changes: dict[str, object]) -> None:
    """`iat` and `exp` are seconds from now."""
    now = int(time.time())
    changes = {name: now + value if isinstance(value, int) and name in ("iat", "exp") else value
               for name, value in changes.items()}  # fmt: skip
    answer = exchanged(identity, identity.sign(custom_token(**changes)))
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "INVALID_CUSTOM_TOKEN")


@pytest.mark.parametrize(
    "token", ["", "no.token.atall", Identity().sign(custom_token())], ids=["none", "no token", "another key's"]
)
def test_a_forged_custom_token_is_refused(identity: Identity, token: str) -> None:
    assert exchanged(identity, token).json()["error"]["message"] == "INVALID_CUSTOM_TOKEN"


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"token": 7}', "refresh_token=unknown"])
@pytest.mark.parametrize("path", ["identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken",
                                  "securetoken.googleapis.com/v1/token"])  # fmt: skip
def test_what_firebase_cannot_read_is_answered_with_googles_error_shape(
    identity: Identity, path: str, body: str
) -> None:
    answer = requests.post(f"{identity.url}/{path}", data=body, timeout=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


def test_the_key_set_holds_no_private_part(identity: Identity) -> None:
    keys = json.loads(requests.get(f"{identity.url}/oauth2/v3/certs", timeout=5).text)["keys"]
    assert [set(key) for key in keys] == [{"kty", "use", "alg", "kid", "n", "e"}]
