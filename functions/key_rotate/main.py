"""Job: access tokens get a new signing key every quarter, and nobody who verifies them notices (rulings section 6).

Each step can be seen in `signing_keys` and is found again by the next run, whatever happens in between:
ordered in KMS → published, not used (`active_from` ahead) → signs → verifies only → retired, and disabled in KMS.
"""

from datetime import datetime

from flask import Request, Response

from functions.key_rotate import rules, store
from shared import db, log, signing_keys
from shared.config import Config, read
from shared.db import Tx
from shared.job import Job
from shared.ports import kms

job = Job("key_rotate")


def key_rotate(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class KeyRotateConfig(Config):
    """Any version of the key that signs access tokens."""

    access_token_key_version: str


@job.schedule("rotate")
def rotate(now: datetime) -> None:
    """Publish what KMS has made; order a new version when the newest is old; retire what signs no more."""
    key = read(KeyRotateConfig).access_token_key_version.partition("/cryptoKeyVersions/")[0]
    enabled = kms.enabled_versions(key)
    waiting = _unpublished(enabled)
    if not waiting and rules.is_due(db.atomically(store.newest).created_at, now):
        kms.create_version(key)
        enabled = kms.enabled_versions(key)
        waiting = _unpublished(enabled)  # KMS may need a while: then the next run finds it
    for version in waiting:
        publish(version, now)
    for version in db.atomically(lambda tx: store.retire(tx, now - rules.OLD_TOKENS_LIFE, now)):
        log.info("a signing key was retired", kms_version=version)
    for version in set(db.atomically(store.retired_versions)) & set(enabled):
        kms.disable_version(version)


def publish(version: str, now: datetime) -> None:
    """Verifiers learn it before it signs."""
    jwk = signing_keys.jwk_of(version)

    def insert(tx: Tx) -> None:
        signing_keys.register(tx, version, jwk, now)

    db.atomically(insert)
    log.info("a signing key was published", kid=jwk["kid"])


def _unpublished(versions: list[str]) -> list[str]:
    known = set(db.atomically(store.versions))
    return [version for version in versions if version not in known]
