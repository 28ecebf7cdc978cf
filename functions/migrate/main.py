"""Job: bring the schema up to date and register the keys that KMS holds. Called by a deployment; harmless twice.

It runs inside the private network with a login that may change the schema, which no other function has.
"""

from datetime import datetime

from flask import Request, Response
from pg8000.dbapi import Connection

from functions.migrate import store
from shared import db, log, payout_rotation, signing_keys, vault
from shared import migrate as migrations
from shared.config import Config, read
from shared.db import DatabaseConfig, Tx
from shared.job import Job
from shared.ports import kms

job = Job("migrate")


def migrate(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class MigrateConfig(Config):
    """The schema owner's login, and the key versions to be registered."""

    owner_user: str
    owner_password: str | None = None
    access_token_key_version: str
    data_key_kms_key: str  # wraps the keys that secrets at rest are sealed with
    treasury_key_version_member: str
    treasury_key_version_affiliate: str
    treasury_key_version_wholesale: str
    chain_id: int
    usdt_address: str


@job.schedule("apply")
def apply(now: datetime) -> None:
    """Expand the schema for the functions that are deployed next, then register keys and treasuries."""
    config = read(MigrateConfig)
    _migrate(config, now, contract=False)
    register(config, now)


@job.schedule("contract")
def contract(now: datetime) -> None:
    """Take away what no function uses any more, once those that did are replaced."""
    _migrate(read(MigrateConfig), now, contract=True)


def register(config: MigrateConfig, now: datetime) -> None:
    """What KMS holds, written where functions look for it."""
    signing = config.access_token_key_version
    is_known = db.atomically(lambda tx: signing_keys.is_known(tx, signing))
    jwk = None if is_known else signing_keys.jwk_of(signing)  # of a retired key KMS tells nothing any more
    versions = {
        "member": config.treasury_key_version_member,
        "affiliate": config.treasury_key_version_affiliate,
        "wholesale": config.treasury_key_version_wholesale,
    }
    data_key = vault.new_data_key(config.data_key_kms_key)
    addresses = {name: kms.ethereum_address(version) for name, version in versions.items()}

    def insert(tx: Tx) -> None:
        if jwk:
            signing_keys.register(tx, signing, jwk, now)
        store.insert_first_data_key(tx, data_key, now)
        for name, address in addresses.items():
            store.insert_treasury(tx, name, config.chain_id, config.usdt_address)
            store.insert_signer(tx, address, name, versions[name], now)
            payout_rotation.begin(tx, name, address, versions[name], now)

    db.atomically(insert)


def _migrate(config: MigrateConfig, now: datetime, *, contract: bool) -> None:
    connection = _owner(config)
    try:
        for name in migrations.apply(connection, migrations.load(), now, contract=contract):
            log.info("migration applied", name=name)
    finally:
        connection.close()


def _owner(config: MigrateConfig) -> Connection:
    database = read(DatabaseConfig)
    return db.connect(
        database.model_copy(update={"database_user": config.owner_user, "database_password": config.owner_password})
    )
