"""Job: give access tokens a new signing key every quarter (docs/product.md, "Sessions and tokens").

Each step can be seen in `signing_keys` and is found again by the next run, whatever happens in between:
ordered in KMS → published, not used (`active_from` ahead) → signs → verifies only → retired, and disabled in KMS.
"""

from datetime import datetime

from flask import Request, Response

from functions.key_rotate import rules, store
from shared import db, log
from shared.config import Config, read
from shared.credentials import signing_keys
from shared.db import Tx
from shared.job import Job
from shared.ports import kms
from shared.sweep import Sweep

job = Job("key_rotate")


def key_rotate(request: Request) -> Response:
    return job.handle(request)


class KeyRotateConfig(Config):
    """A version of the KMS key that signs access tokens; any of its versions will do."""

    access_token_key_version: str


@job.schedule("rotate")
def rotate(now: datetime) -> None:
    """Publish new versions of KMS, order one when the newest is old, and retire those that no longer sign."""
    key = read(KeyRotateConfig).access_token_key_version.partition("/cryptoKeyVersions/")[0]
    enabled = kms.enabled_versions(key)
    waiting = _unpublished(enabled)
    if not waiting and rules.is_due(db.atomically(store.newest_created_at), now):
        kms.create_version(key)
        enabled = kms.enabled_versions(key)
        waiting = _unpublished(enabled)  # if KMS needs a while, the next run finds it
    with Sweep() as versions:
        versions.each(waiting, lambda version: publish(version, now), str)
        versions.part(lambda: _retire(now), "retired versions")
        out_of_use = set(db.atomically(store.retired_versions)) & set(enabled)
        versions.each(sorted(out_of_use), kms.disable_version, str)


def _retire(now: datetime) -> None:
    for version in db.atomically(store.retire, now - rules.OLD_TOKENS_LIFE, now):
        log.info("a signing key was retired", kms_version=version)


def publish(version: str, now: datetime) -> None:
    """Publish the version's public key, so that verifiers know it before it signs."""
    jwk = signing_keys.jwk_of(version)

    def insert(tx: Tx) -> None:
        signing_keys.register(tx, version, jwk, now)

    db.atomically(insert)
    log.info("a signing key was published", kid=jwk["kid"])


def _unpublished(versions: list[str]) -> list[str]:
    known = set(db.atomically(store.versions))
    return [version for version in versions if version not in known]
