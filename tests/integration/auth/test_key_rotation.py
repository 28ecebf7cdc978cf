"""Signing keys come and go, and no valid token is ever refused for it: played on a KMS, with the clock moved."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import grpc
import jwt
import pytest
from google.cloud import kms_v1
from pg8000.dbapi import Connection

from emulators import cloud
from functions.auth.rules import ACCESS_TOKEN_LIFE
from functions.key_rotate import main, rules
from functions.migrate import main as migrate
from shared import auth, clock, config
from shared.config import read
from shared.credentials import signing_keys
from shared.ports import kms
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.fakes.invoker import FunctionInvoker
from tests.operations.scene import PASSWORD
from tests.operations.scene import Scene as Accounts
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]
MINUTE = timedelta(minutes=1)


@dataclass
class Scene:
    """A key of the test's own that is as old as the clock says."""

    key: str
    email: str
    client: Client
    invoker: FunctionInvoker
    sql: Connection
    folder: Path

    def rotate(self, later: timedelta) -> None:
        with moved_clock(self.folder, later):
            assert self.invoker.schedule("key_rotate", "rotate") == 204

    def published(self) -> list[str]:
        return [key["kid"] for key in self.client().get("/.well-known/jwks.json").body["keys"]]

    def token(self, later: timedelta, kind: str = "desktop") -> str:
        with moved_clock(self.folder, later):
            body = {"email": self.email, "password": PASSWORD, "device": {"kind": kind}}
            return str(self.client().post("/v1/auth/login", body).body["access_token"])

    def taken(self, token: str, later: timedelta) -> bool:
        auth.forget_keys()
        with moved_clock(self.folder, later):
            return self.client(token).get("/v1/users/me").status == 200


def signer(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@pytest.fixture
def scene(
    platform: Platform, client: Client, sql: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """One version, published and used since now."""
    transport = kms_v1.KeyManagementServiceClient.get_transport_class("grpc")
    made = kms_v1.KeyManagementServiceClient(transport=transport(channel=grpc.insecure_channel(platform.kms.host)))
    template = kms_v1.CryptoKeyVersionTemplate(
        algorithm=kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm.RSA_SIGN_PKCS1_2048_SHA256
    )
    key = made.create_crypto_key(
        parent=f"projects/{cloud.PROJECT}/locations/{cloud.LOCATION}/keyRings/access-tokens",
        crypto_key_id=f"rotating-{uuid4()}",
        crypto_key=kms_v1.CryptoKey(
            purpose=kms_v1.CryptoKey.CryptoKeyPurpose.ASYMMETRIC_SIGN, version_template=template
        ),
    )
    sql.execute_simple("DELETE FROM signing_keys")
    monkeypatch.setenv("ACCESS_TOKEN_KEY_VERSION", f"{key.name}/cryptoKeyVersions/1")
    config.read.cache_clear()
    migrate.register(read(migrate.MigrateConfig), clock.now())
    return Scene(
        key.name, Accounts(client, sql).verified(), client, FunctionInvoker(platform.invoker_token), sql, tmp_path
    )


def test_a_young_key_is_left_alone(scene: Scene) -> None:
    before = rows_of_all_tables(scene.sql)
    scene.rotate(rules.ROTATED_AFTER - MINUTE)
    assert rows_of_all_tables(scene.sql) == before
    assert kms.enabled_versions(scene.key) == [f"{scene.key}/cryptoKeyVersions/1"]


def test_a_new_key_is_published_before_it_signs_and_the_old_one_verifies_until_its_tokens_have_expired(
    scene: Scene,
) -> None:
    due = rules.ROTATED_AFTER + MINUTE
    (old,) = scene.published()
    scene.rotate(due)
    _, new = scene.published()
    assert scene.published() == [old, new]

    before_use = scene.token(due + signing_keys.PUBLISHED_BEFORE_USE - MINUTE, "mobile")
    used = due + signing_keys.PUBLISHED_BEFORE_USE + MINUTE
    after = scene.token(used)
    assert (signer(before_use), signer(after)) == (old, new)

    for later in (used, used + 10 * MINUTE):
        scene.rotate(later)
        assert scene.taken(before_use, later)
        assert scene.published() == [old, new]

    retired = due + signing_keys.PUBLISHED_BEFORE_USE + rules.OLD_TOKENS_LIFE + 2 * MINUTE
    scene.rotate(retired)
    assert scene.published() == [new]
    assert not scene.taken(before_use, used)  # even by a clock that is behind
    assert scene.taken(scene.token(retired), retired)
    assert kms.enabled_versions(scene.key) == [f"{scene.key}/cryptoKeyVersions/2"]


def test_no_token_outlives_its_key() -> None:
    """A token of the last moment before the successor signs has expired, with every clock at its worst, by then."""
    worst = timedelta(seconds=2 * auth.CLOCK_SKEW_SECONDS)
    assert ACCESS_TOKEN_LIFE + worst < rules.OLD_TOKENS_LIFE
    assert timedelta(seconds=300 + auth.KEYS_FRESH_SECONDS) < signing_keys.PUBLISHED_BEFORE_USE


def test_a_rotation_that_died_after_the_order_is_finished_by_the_next_run(scene: Scene) -> None:
    kms.create_version(scene.key)
    scene.rotate(rules.ROTATED_AFTER + MINUTE)
    assert len(scene.published()) == 2
    assert len(kms.enabled_versions(scene.key)) == 2


def test_running_it_again_and_again_makes_one_key(scene: Scene) -> None:
    for _ in range(3):
        scene.rotate(rules.ROTATED_AFTER + MINUTE)
    assert len(scene.published()) == 2


def test_a_deployment_that_names_the_first_version_does_not_bring_a_retired_key_back(scene: Scene) -> None:
    due = rules.ROTATED_AFTER + MINUTE
    scene.rotate(due)
    retired = due + signing_keys.PUBLISHED_BEFORE_USE + rules.OLD_TOKENS_LIFE + MINUTE
    scene.rotate(retired)
    (new,) = scene.published()
    with moved_clock(scene.folder, retired):
        migrate.register(read(migrate.MigrateConfig), clock.now())
    assert scene.published() == [new]


def test_everybody_may_keep_the_keys_for_a_while_that_is_shorter_than_the_notice(client: Client) -> None:
    client_headers = client().get("/.well-known/jwks.json").headers
    assert client_headers["Cache-Control"] == "public, max-age=300"
    assert main.job.schedules.keys() == {"rotate"}
