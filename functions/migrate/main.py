"""Job, called by a deployment: migrate the schema, register the keys that KMS holds, check the nodes.

Each of its schedules is harmless twice.

It runs inside the private network with a login that may change the schema, which no other function has.
"""

from datetime import datetime

from flask import Request, Response
from pg8000.dbapi import Connection

from functions.migrate import store
from shared import db, log
from shared.config import Config, read
from shared.credentials import signing_keys, vault
from shared.database import migrate as migrations
from shared.db import DatabaseConfig, Tx
from shared.job import Job
from shared.payouts import rotation
from shared.ports import kms
from shared.ports.polygon import node_probe

job = Job("migrate")


def migrate(request: Request) -> Response:
    return job.handle(request)


class TreasuriesDiffer(Exception):
    """CHAIN_ID or USDT_ADDRESS differ from what the treasuries pay with, so that payments would be looked for on
    another chain.
    """


class NodesUnfit(Exception):
    """A node does not answer every call that the functions make."""


class MigrateConfig(Config):
    """The schema owner's login, and the key versions to register."""

    owner_user: str
    owner_password: str | None = None
    access_token_key_version: str
    data_key_kms_key: str  # encrypts the data keys that seal secrets at rest
    treasury_key_version_member: str
    treasury_key_version_affiliate: str
    treasury_key_version_wholesale: str
    treasury_key_version_shop: str
    chain_id: int
    usdt_address: str
    google_cloud_project: str


@job.schedule("apply")
def apply(now: datetime) -> None:
    """Expand the schema for the functions that are deployed next, then register keys and treasuries."""
    config = read(MigrateConfig)
    _migrate(config, now, contract=False)
    register(config, now)


@job.schedule("contract")
def contract(now: datetime) -> None:
    """Remove from the schema what no function uses any more, after a deployment has replaced those that did."""
    _migrate(read(MigrateConfig), now, contract=True)


@job.schedule("nodes")
def ask_nodes(now: datetime) -> None:
    """Make each node answer every call that the functions make. Raises NodesUnfit."""
    del now
    config = read(MigrateConfig)
    if faults := node_probe.faults(config.chain_id, config.usdt_address):
        raise NodesUnfit("; ".join(faults))


def register(config: MigrateConfig, now: datetime) -> None:
    """Name the project that the database serves, register the keys that KMS holds, and insert what is missing: the
    first data key, treasuries, their first keys. A treasury's key version that is new begins a rotation to that key.
    Raises TreasuriesDiffer, and then changes nothing.
    """
    signing = config.access_token_key_version
    is_known = db.atomically(signing_keys.is_known, signing)
    jwk = None if is_known else signing_keys.jwk_of(signing)  # KMS does not return the public key of a retired version
    versions = {
        "member": config.treasury_key_version_member,
        "affiliate": config.treasury_key_version_affiliate,
        "wholesale": config.treasury_key_version_wholesale,
        "shop": config.treasury_key_version_shop,
    }
    data_key = vault.new_data_key(config.data_key_kms_key)
    addresses = {name: kms.ethereum_address(version) for name, version in versions.items()}

    def insert(tx: Tx) -> None:
        store.name_project(tx, config.google_cloud_project)
        if jwk:
            signing_keys.register(tx, signing, jwk, now)
        store.insert_first_data_key(tx, data_key, now)
        for name, address in addresses.items():
            store.insert_treasury(tx, name, config.chain_id, config.usdt_address)
            store.insert_signer(tx, address, name, versions[name], now)
            rotation.begin(tx, name, address, versions[name], now)
        for other in store.differing(tx, config.chain_id, config.usdt_address):
            raise TreasuriesDiffer(
                f"the {other.name} treasury pays in {other.token_address} on chain {other.chain_id}, "
                f"USDT_ADDRESS and CHAIN_ID say {config.usdt_address} on chain {config.chain_id}"
            )

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
