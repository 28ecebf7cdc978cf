"""The keys of KMS, and the project that the database serves, as rows."""

from dataclasses import dataclass
from datetime import datetime

from shared.credentials.vault import DataKey
from shared.db import Tx


def insert_first_data_key(tx: Tx, key: DataKey, now: datetime) -> None:
    """Insert the first key that seals secrets at rest; does nothing if there is one."""
    tx.run(
        """
        INSERT INTO data_keys (id, kms_key, wrapped, created_at)
        SELECT :id, :kms_key, :wrapped, :now WHERE NOT EXISTS (SELECT FROM data_keys)
        """,
        id=key.id,
        kms_key=key.kms_key,
        wrapped=key.wrapped,
        now=now,
    )


def name_project(tx: Tx, project: str) -> None:
    """Record the Google Cloud project that this database serves from now on."""
    tx.run(
        """
        INSERT INTO installation (project) VALUES (:project)
        ON CONFLICT (is_only) DO UPDATE SET project = EXCLUDED.project
        """,
        project=project,
    )


def insert_treasury(tx: Tx, name: str, chain_id: int, token_address: str) -> None:
    """Insert a treasury; does nothing if it exists."""
    tx.run(
        """
        INSERT INTO treasuries (name, chain_id, token_address)
        VALUES (:name, :chain_id, :token_address) ON CONFLICT (name) DO NOTHING
        """,
        name=name,
        chain_id=chain_id,
        token_address=token_address,
    )


@dataclass(frozen=True)
class Pays:
    """The chain and the token with which a treasury pays."""

    name: str
    chain_id: int
    token_address: str


def differing(tx: Tx, chain_id: int, token_address: str) -> list[Pays]:
    """The treasuries that pay with another token or on another chain."""
    return tx.all(
        Pays,
        """
        SELECT name, chain_id, token_address FROM treasuries
        WHERE chain_id <> :chain_id OR lower(token_address) <> lower(:token_address) ORDER BY name
        """,
        chain_id=chain_id,
        token_address=token_address,
    )


def insert_signer(tx: Tx, address: str, treasury: str, kms_version: str, now: datetime) -> None:
    """Insert the treasury's first key; does nothing if it has one."""
    tx.run(
        """
        INSERT INTO signers (address, treasury, kms_version, created_at)
        SELECT :address, :treasury, :kms_version, :now
        WHERE NOT EXISTS (SELECT FROM signers WHERE treasury = :treasury)
        """,
        address=address,
        treasury=treasury,
        kms_version=kms_version,
        now=now,
    )
