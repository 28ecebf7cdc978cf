"""Job: bring the schema up to date and register the keys that KMS holds. Called by a deployment; harmless twice.

It runs inside the private network with a login that may change the schema, which no other function has.
"""

from datetime import datetime, timedelta

from flask import Request, Response
from pg8000.dbapi import Connection

from functions.migrate import rules, store
from shared import db, log, payout_rotation
from shared import migrate as migrations
from shared.config import Config, read
from shared.db import DatabaseConfig, Tx
from shared.job import Job
from shared.ports import kms

PUBLISHED_BEFORE_USE = timedelta(minutes=10)  # gateways keep a key set for five minutes

job = Job("migrate")


def migrate(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class MigrateConfig(Config):
    """The schema owner's login, and the key versions to be registered."""

    owner_user: str
    owner_password: str | None = None
    access_token_key_version: str
    treasury_key_version_member: str
    treasury_key_version_affiliate: str
    treasury_key_version_wholesale: str
    chain_id: int
    usdt_address: str


@job.schedule("apply")
def apply(now: datetime) -> None:
    """Migrate, then register keys and treasuries."""
    config = read(MigrateConfig)
    connection = _owner(config)
    try:
        for name in migrations.apply(connection, migrations.load(), now):
            log.info("migration applied", name=name)
    finally:
        connection.close()
    register(config, now)


def register(config: MigrateConfig, now: datetime) -> None:
    """What KMS holds, written where functions look for it."""
    jwk = _jwk(config.access_token_key_version)
    versions = {
        "member": config.treasury_key_version_member,
        "affiliate": config.treasury_key_version_affiliate,
        "wholesale": config.treasury_key_version_wholesale,
    }
    addresses = {name: kms.ethereum_address(version) for name, version in versions.items()}

    def insert(tx: Tx) -> None:
        first = store.signing_keys(tx) == 0
        active_from = now if first else now + PUBLISHED_BEFORE_USE
        store.insert_signing_key(tx, jwk["kid"], config.access_token_key_version, jwk, now, active_from)
        for name, address in addresses.items():
            store.insert_treasury(tx, name, config.chain_id, config.usdt_address)
            store.insert_signer(tx, address, name, versions[name], now)
            payout_rotation.begin(tx, name, address, versions[name], now)

    db.atomically(insert)


def _jwk(key_version: str) -> dict[str, str]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(kms.public_key_pem(key_version).encode())
    assert isinstance(key, RSAPublicKey)
    numbers = key.public_numbers()
    return dict(rules.public_jwk(numbers.n, numbers.e))


def _owner(config: MigrateConfig) -> Connection:
    database = read(DatabaseConfig)
    return db.connect(
        database.model_copy(update={"database_user": config.owner_user, "database_password": config.owner_password})
    )
