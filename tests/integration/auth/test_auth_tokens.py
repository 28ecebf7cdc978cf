"""Access tokens under attack, at a function and at the gateway: all are refused, nothing is done.

RFC 8725, and chapter 9 of the OWASP ASVS 5.0: signature first (9.1.1), algorithms by list (9.1.2), keys from our own
source only (9.1.3), time span (9.2.1), kind (9.2.2), audience (9.2.3, 9.2.4). Who may do what is in test_access.py.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pg8000.dbapi import Connection
from werkzeug.test import Client as WsgiClient

from emulators import cloud, contract
from emulators.gateway import Gateway, KeySet
from shared import auth
from shared.ports import kms
from tests import factories
from tests.client import FunctionClient, answer_of, app
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]
Json = dict[str, Any]

PATH = "/v1/wallet/challenge"
BODY = json.dumps({"address": "0x52908400098527886E0F7030069857D2E4169EE7"}).encode()
REMOVED = object()


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_(changes: Mapping[str, object], document: Json) -> Json:
    return {name: value for name, value in (document | dict(changes)).items() if value is not REMOVED}


@dataclass(frozen=True)
class Forge:
    """A member's genuine token taken apart, and everything to make others of it."""

    token: str
    header: Json
    claims: Json
    kms_version: str
    attacker: rsa.RSAPrivateKey

    def signed(self, claims: Mapping[str, object] | None = None, **header: object) -> str:
        """Signed with our own key, which an attacker does not have: what if a token of another kind ever was?"""
        signing_input = f"{part(with_(header, self.header))}.{part(with_(claims or {}, self.claims))}"
        signature = kms.sign_digest(self.kms_version, hashlib.sha256(signing_input.encode()).digest())
        return f"{signing_input}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def unsigned(self, algorithm: object, signature: str = "") -> str:
        return f"{part(self.header | {'alg': algorithm})}.{part(self.claims)}.{signature}"

    def hashed(self, key: bytes, algorithm: str) -> str:
        """A MAC under something that everybody knows (RFC 8725, section 2.1)."""
        signing_input = f"{part(self.header | {'alg': algorithm})}.{part(self.claims)}"
        digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
        mac = hmac.digest(key, signing_input.encode(), digest)
        return f"{signing_input}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    def attacked(self, algorithm: str = "RS256", **header: object) -> str:
        """Signed with a key of the attacker's own."""
        return jwt.encode(
            self.claims, self.attacker, algorithm, headers=with_(header, self.header | {"alg": algorithm})
        )

    @property
    def attacker_jwk(self) -> Json:
        jwk: Json = jwt.algorithms.RSAAlgorithm.to_jwk(self.attacker.public_key(), as_dict=True)
        return jwk | {"kid": self.header["kid"]}


@dataclass(frozen=True)
class EntryPoints:
    """The two places where a token is verified."""

    platform: Platform
    gateway: Gateway

    def at_the_function(self, token: str) -> Any:
        client = FunctionClient(self.platform.gateway_token)
        headers = {"X-Forwarded-Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return answer_of(client.raw("wallet", "POST", PATH, BODY, headers))

    def at_the_gateway(self, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        caller = {"REMOTE_ADDR": "203.0.113.7"}
        client = WsgiClient(self.gateway)
        return answer_of(client.open(PATH, method="POST", data=BODY, headers=headers, environ_overrides=caller))


@pytest.fixture(scope="module")
def attacker() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def forge(attacker: rsa.RSAPrivateKey, sql: Connection) -> Forge:
    token = factories.member().token
    ((version,),) = sql.execute_simple("SELECT kms_version FROM signing_keys").rows
    claims = jwt.decode(token, options={"verify_signature": False})
    return Forge(token, jwt.get_unverified_header(token), claims, str(version), attacker)


@pytest.fixture
def entry_points(platform: Platform) -> EntryPoints:
    public = {name: app(name) for name, function in contract.functions().items() if function.gateway}
    keys = KeySet(auth.published_keys)
    return EntryPoints(
        platform,
        Gateway(contract.operations(), contract.token_rules(), public, keys, platform.gateway_token, platform.edge_key),
    )


def assert_refused(entry_points: EntryPoints, sql: Connection, tokens: Mapping[str, str]) -> None:
    before = rows_of_all_tables(sql)
    wrong = []
    for name, token in tokens.items():
        for send in (entry_points.at_the_function, entry_points.at_the_gateway):
            answer = send(token)
            told = answer.headers.get("WWW-Authenticate", "")
            by_the_gateway = (
                send == entry_points.at_the_gateway and answer.body.get("code") == 401
            )  # in words of its own
            refused = answer.status == 401 and (by_the_gateway or answer.problem == "token-not-valid")
            if not (refused and told.startswith("Bearer")):
                wrong.append(f"{name}, {send.__name__}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert rows_of_all_tables(sql) == before


def test_the_genuine_token_is_taken_at_both_entry_points(entry_points: EntryPoints, forge: Forge) -> None:
    assert entry_points.at_the_function(forge.token).status == 201
    assert entry_points.at_the_gateway(forge.token).status == 201
    assert entry_points.at_the_function(forge.signed()).status == 201


def test_a_token_without_a_signature_is_refused(entry_points: EntryPoints, forge: Forge, sql: Connection) -> None:
    header, claims, signature = forge.token.split(".")
    spellings: tuple[object, ...] = ("none", "None", "NONE", "nOnE", " none", "none\x00", "", None, 0, [], ["none"])
    tokens = {f"alg {alg!r}": forge.unsigned(alg) for alg in spellings}
    tokens |= {f"alg {alg!r} beside the signature": forge.unsigned(alg, signature) for alg in spellings}
    tokens |= {"stripped": f"{header}.{claims}.", "cut off": f"{header}.{claims}"}
    assert_refused(entry_points, sql, tokens)


def test_a_mac_under_the_public_key_is_refused(entry_points: EntryPoints, forge: Forge, sql: Connection) -> None:
    pem = kms.public_key_pem(forge.kms_version).encode()
    key = load_pem_public_key(pem)
    (jwk,) = auth.published_keys()
    known = {
        "PEM": pem,
        "PEM without its last line break": pem.strip(),
        "PKCS 1": key.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk).encode(),
        "compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "modulus": jwk["n"].encode(),
        "kid": forge.header["kid"].encode(),
        "nothing": b"",
    }
    assert_refused(
        entry_points,
        sql,
        {
            f"{alg} with {name}": forge.hashed(secret, alg)
            for name, secret in known.items()
            for alg in ("HS256", "HS512")
        },
    )


def test_another_algorithm_is_refused_whatever_the_header_asks_for(
    entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    tokens = {f"our signature as {alg}": forge.signed(alg=alg) for alg in ("RS384", "PS256", "ES256", "EdDSA", "rs256")}
    tokens |= {f"attacker's {alg}": forge.attacked(alg) for alg in ("RS256", "RS512", "PS256")}
    assert_refused(entry_points, sql, tokens)


def test_a_key_that_the_token_brings_along_is_not_used(
    entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    certificates = "https://evil.example/keys.json"
    assert_refused(
        entry_points,
        sql,
        {
            "jwk": forge.attacked(jwk=forge.attacker_jwk),
            "jku": forge.attacked(jku=certificates),
            "jku on loopback": forge.attacked(jku="http://127.0.0.1:1/keys.json"),
            "x5u": forge.attacked(x5u=certificates),
            "x5c": forge.attacked(x5c=["MIIB"]),
            "all of them": forge.attacked(jwk=forge.attacker_jwk, jku=certificates, x5u=certificates, kid="mine"),
        },
    )


def test_the_key_id_only_names_a_key_that_we_have_published(
    entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    ids: tuple[object, ...] = (
        REMOVED, None, 0, True, [], {}, "", "unknown", forge.header["kid"].upper(), f"{forge.header['kid']} ",
        "../../../../dev/null", "/proc/sys/kernel/randomize_va_space", "' UNION SELECT 'secret' --", "x\x00", "é" * 50,
        "http://127.0.0.1:1/key", "a" * 3_000, "__class__",
    )  # fmt: skip
    assert_refused(entry_points, sql, {f"kid {str(kid)[:30]!r}": forge.signed(kid=kid) for kid in ids})


def test_a_token_of_another_kind_is_refused(
    platform: Platform, entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    """RFC 8725, sections 3.11 and 3.12: ours say at+jwt."""
    kinds: tuple[object, ...] = (
        REMOVED,
        None,
        "JWT",
        "id+jwt",
        "logout+jwt",
        "at+jwt ",
        "application/jwt",
        1,
        ["at+jwt"],
    )
    tokens = {f"typ {kind!r}": forge.signed(typ=kind) for kind in kinds}
    service = platform.identity.mint(cloud.INVOKER_ACCOUNT, "blakjaks")
    now = int(datetime.now(UTC).timestamp())
    claims = forge.claims | {"iat": now, "exp": now + 900}
    tokens |= {
        "the gateway's own": platform.gateway_token("wallet"),
        "an OIDC token for our audience": service,
        "our claims under Google's key": platform.identity.sign(claims),
        "a refresh token": "Zr6ruMmMGsH1GyjIeRrxNRGcOjVvGPaBOXrAvhKDYFM",
    }
    assert_refused(entry_points, sql, tokens)


def test_a_header_that_asks_for_more_than_we_understand_is_refused(
    entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    """RFC 7515, section 4.1.11: `crit` names extensions that must be understood."""
    header, claims, signature = forge.token.split(".")
    assert_refused(
        entry_points,
        sql,
        {
            "crit": forge.signed(crit=["exp"], exp=1),
            "crit of nothing": forge.signed(crit=[]),
            "an unencoded payload": forge.signed(crit=["b64"], b64=False),
            "no payload": f"{header}..{signature}",
            "encrypted": f"{header}.{claims}.{signature}.{signature}.{signature}",
            "as a JSON object": json.dumps({"protected": header, "payload": claims, "signature": signature}),
        },
    )


def test_for_somebody_else_or_by_somebody_else_is_refused(
    entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    others: tuple[object, ...] = (REMOVED, None, "", "other", "blakjaks ", "BLAKJAKS", ["other"], [], {}, 1)
    tokens = {f"aud {other!r}": forge.signed({"aud": other}) for other in others}
    issuers: tuple[object, ...] = (REMOVED, None, "", "https://accounts.google.com", "https://api.blakjaks.com/", [], 1,
                                   ["https://api.blakjaks.com", "x"])  # fmt: skip
    tokens |= {f"iss {issuer!r}": forge.signed({"iss": issuer}) for issuer in issuers}
    assert_refused(entry_points, sql, tokens)


def test_expired_and_not_yet_valid_tokens_are_refused(entry_points: EntryPoints, forge: Forge, sql: Connection) -> None:
    now = int(datetime.now(UTC).timestamp())
    hour = 3600
    moments: dict[str, Mapping[str, object]] = {
        "expired": {"iat": now - hour, "exp": now - 60},
        "expired long ago": {"iat": 0, "exp": 1},
        "expires before it was issued": {"iat": now, "exp": now - hour},
        "issued tomorrow": {"iat": now + 24 * hour, "exp": now + 25 * hour},
        "not before tomorrow": {"nbf": now + 24 * hour},
        "a string": {"exp": "tomorrow"},
        "a list": {"exp": [now + hour]},
        "an object": {"iat": {}},
        "a truth": {"exp": True},
        "negative": {"exp": -now},
        **{f"no {name}": {name: REMOVED} for name in ("exp", "iat", "sub", "aud", "iss", "sid")},
        **{f"{name} is null": {name: None} for name in ("exp", "iat", "sub", "aud", "iss", "sid")},
    }
    assert_refused(entry_points, sql, {name: forge.signed(changes) for name, changes in moments.items()})


def test_a_few_seconds_of_skew_are_forgiven(entry_points: EntryPoints, forge: Forge) -> None:
    now = int(datetime.now(UTC).timestamp())
    assert entry_points.at_the_function(forge.signed({"exp": now - 10})).status == 201
    assert entry_points.at_the_function(forge.signed({"iat": now + 10})).status == 201


def test_tokens_that_live_longer_than_fifteen_minutes_are_refused(entry_points: EntryPoints, forge: Forge) -> None:
    """A key that somebody has slipped into the database makes no token for days; only functions can check it."""
    now = int(datetime.now(UTC).timestamp())
    day = 86_400
    assert entry_points.at_the_function(forge.signed({"iat": now, "exp": now + 900})).status == 201
    for claims in (
        {"iat": now, "exp": now + 901},
        {"iat": now, "exp": now + 115 * day},
        {"iat": now - day, "exp": now + 60},
        {"iat": now - 960, "exp": now - 960 + 900},
    ):
        assert entry_points.at_the_function(forge.signed(claims)).status == 401, claims


def test_claims_that_name_nobody_or_somebody_elses_session_are_refused(
    entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    other = jwt.decode(factories.member().token, options={"verify_signature": False})
    values: tuple[object, ...] = (
        "",
        "1",
        "me",
        str(uuid4()),
        "' OR 1=1 --",
        1,
        [],
        {},
        f"{forge.claims['sub']} ",
        "\x00",
    )
    tokens = {f"sub {value!r}": forge.signed({"sub": value}) for value in values}
    tokens |= {f"sid {value!r}": forge.signed({"sid": value}) for value in values if value != f"{forge.claims['sub']} "}
    tokens |= {
        "another member": forge.signed({"sub": other["sub"]}),
        "another member's session": forge.signed({"sid": other["sid"]}),
        "both the wrong way round": forge.signed({"sub": forge.claims["sid"], "sid": forge.claims["sub"]}),
    }
    assert_refused(entry_points, sql, tokens)


def test_a_changed_token_is_refused(entry_points: EntryPoints, forge: Forge, sql: Connection) -> None:
    header, claims, signature = forge.token.split(".")
    other = factories.member().token.split(".")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    assert_refused(
        entry_points,
        sql,
        {
            "a flipped bit": f"{header}.{claims}.{flipped}",
            "a short signature": f"{header}.{claims}.{signature[:-8]}",
            "a signature of zeros": f"{header}.{claims}.{'A' * len(signature)}",
            "somebody else's claims": f"{header}.{other[1]}.{signature}",
            "somebody else's signature": f"{header}.{claims}.{other[2]}",
            "two dots": "..",
            "no base64": "é.é.é",
            "no JSON": "eA.eA.eA",
            "header is a list": f"{part([])}.{claims}.{signature}",
            "claims are a list": forge.token.replace(claims, part([])),
            "not UTF-8": f"{base64.urlsafe_b64encode(bytes([255] * 8)).decode()}.{claims}.{signature}",
            "very deep": f"{part({'a': 1}).replace('=', '')}{'A' * 6_000}.{claims}.{signature}",
            "nested": base64.urlsafe_b64encode(b'{"a":' * 900 + b"1" + b"}" * 900).decode().rstrip("=") + ".e30.eA",
            "twice": f"{forge.token} {forge.token}",
            "a list of two": f"{forge.token}, Bearer {forge.token}",
        },
    )


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Digest x", "token", "Bearer\t{}", "{}", "JWT {}"]
)
def test_what_is_no_bearer_token_is_refused(header: str, client: Client, forge: Forge) -> None:
    given = {"X-Forwarded-Authorization": header.format(forge.token)} if header else {}
    answer = client().send("GET", "/v1/users/me", headers=given)
    assert (answer.status, answer.problem) == (401, "token-not-valid" if header else "token-missing")


def test_a_token_signed_by_a_retired_key_is_refused(entry_points: EntryPoints, forge: Forge, sql: Connection) -> None:
    sql.execute_simple("UPDATE signing_keys SET retired_at = now()")
    auth.forget_keys()
    assert_refused(entry_points, sql, {"retired": forge.token})


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_a_suspended_member_may_do_nothing(
    status: str, entry_points: EntryPoints, forge: Forge, sql: Connection
) -> None:
    sql.execute_simple(f"UPDATE members SET status = '{status}'")
    before = rows_of_all_tables(sql)
    for send in (entry_points.at_the_function, entry_points.at_the_gateway):
        answer = send(forge.token)
        assert (answer.status, answer.problem) == (403, "member-suspended")
    assert rows_of_all_tables(sql) == before


def test_the_token_of_an_ended_session_is_refused(entry_points: EntryPoints, forge: Forge, sql: Connection) -> None:
    sql.execute_simple("UPDATE sessions SET ended_at = now(), end_reason = 'signed out'")
    assert_refused(entry_points, sql, {"ended": forge.token})


def test_a_token_lives_fifteen_minutes_and_says_who_it_is_for(forge: Forge) -> None:
    assert set(forge.claims) == {"iss", "aud", "sub", "sid", "iat", "exp"}
    assert timedelta(seconds=forge.claims["exp"] - forge.claims["iat"]) == timedelta(minutes=15)
    assert forge.header == {"alg": "RS256", "typ": "at+jwt", "kid": auth.published_keys()[0]["kid"]}
