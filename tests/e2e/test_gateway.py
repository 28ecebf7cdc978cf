"""The gateway and the functions behind it, seen from the outside."""

import json
from urllib.request import urlopen

import jwt

from emulators.cloud import FIREBASE_ACCOUNT
from emulators.stack import Stack
from tests import openapi
from tests.e2e.conftest import Visitors, in_each_mode

FIREBASE_AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"


@in_each_mode
def test_access_tokens_are_signed_by_the_published_key(stack: Stack, visitors: Visitors) -> None:
    person = visitors.join("Jay Keys")
    keys = fetched_keys(f"{stack.url}/.well-known/jwks.json")

    token = person.client.token or ""
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="blakjaks", issuer="https://api.blakjaks.com")

    assert claims["sub"] == person.id
    assert claims["exp"] - claims["iat"] == 15 * 60


@in_each_mode
def test_what_is_not_in_the_contract_is_not_there(visitors: Visitors) -> None:
    client = visitors.client()
    for path in ("/v1/scans/submit/", "/v1/Scans/submit"):
        answer = client.get(path)
        assert (answer.status, answer.body["code"]) == (404, 404), path
    for path in ("/v1", "//v1/scans/submit", "/v2/users/me"):  # of the web site, which has no such page
        answer = client.get(path)
        assert (answer.status, "There is no such page." in answer.body) == (404, True), path
    assert client.send("DELETE", "/v1/scans/submit").status == 405


@in_each_mode
def test_the_web_site_is_at_the_same_address(visitors: Visitors) -> None:
    client = visitors.client()
    assert client.get("/").status == 302
    page, gallery = client.get("/en"), client.get("/en/gallery")
    assert (page.status, gallery.status) == (200, 200)
    assert "Scans so far" in page.body


@in_each_mode
def test_a_secured_operation_wants_a_token(visitors: Visitors) -> None:
    nobody = visitors.client().get("/v1/users/me")
    forged = visitors.client(token="eyJhbGciOiJub25lIn0.e30.").get("/v1/users/me")
    assert (nobody.status, nobody.body["message"]) == (401, "Jwt is missing")
    assert (forged.status, forged.body["message"]) == (401, "Jwt verification fails")


@in_each_mode
def test_a_web_page_of_ours_may_ask_and_another_may_not(visitors: Visitors) -> None:
    headers = {"Origin": "https://blakjaks.com", "Access-Control-Request-Method": "POST"}
    ours = visitors.client().send("OPTIONS", "/v1/scans/submit", headers=headers)
    other = visitors.client().send("OPTIONS", "/v1/scans/submit", headers=headers | {"Origin": "https://evil.example"})
    assert (ours.status, ours.headers["Access-Control-Allow-Origin"]) == (204, "https://blakjaks.com")
    assert (other.status, other.headers.get("Access-Control-Allow-Origin")) == (204, None)


@in_each_mode
def test_a_function_refuses_whoever_comes_around_the_gateway(stack: Stack, visitors: Visitors) -> None:
    person = visitors.join("Direct Dora")
    direct = visitors.client(stack.function_url("users"), token=person.client.token)
    answer = direct.send("GET", "/users/v1/users/me", headers={"X-Forwarded-Authorization": f"Bearer {direct.token}"})
    assert (answer.status, answer.body["type"]) == (403, "/problems/not-through-the-gateway")


@in_each_mode
def test_logging_out_ends_the_token_at_once(visitors: Visitors) -> None:
    person = visitors.join("Leaving Lee")
    assert person.client.post("/v1/auth/logout").status == 204
    after = person.client.get("/v1/users/me")
    assert (after.status, after.body["type"]) == (401, "/problems/token-not-valid")


@in_each_mode
def test_the_realtime_token_is_one_that_firebase_takes(stack: Stack, visitors: Visitors) -> None:
    person = visitors.join("Listening Lin")
    answer = person.client.post("/v1/realtime/token")
    openapi.check("POST", "/v1/realtime/token", answer.status, answer.headers, answer.body)

    (key,) = fetched_keys(f"{stack.identity.url}/service_accounts/v1/jwk/{FIREBASE_ACCOUNT}").keys
    claims = jwt.decode(answer.body["firebase_token"], key, algorithms=["RS256"], audience=FIREBASE_AUDIENCE)

    said = claims["claims"]
    assert (claims["uid"], said["member_id"], said["tier"], said["tier_after"]) == (
        *(person.id, person.id),
        *("standard", "standard"),
    )
    assert claims["exp"] - claims["iat"] == answer.body["expires_in"] == 300
    assert claims["iat"] == said["issued_ms"] // 1000


def fetched_keys(url: str) -> jwt.PyJWKSet:
    """The keys, as every verifier on the internet gets them."""
    with urlopen(url) as answer:  # noqa: S310 - loopback
        return jwt.PyJWKSet.from_dict(json.loads(answer.read()))
