"""Keys that KMS holds, as the database knows them."""

from datetime import datetime

from shared.db import Tx
from shared.vault import DataKey


def insert_first_data_key(tx: Tx, key: DataKey, now: datetime) -> None:
    """What secrets at rest are sealed with from now on; nothing when there is one."""
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


def insert_treasury(tx: Tx, name: str, chain_id: int, token_address: str) -> None:
    """Nothing when it exists."""
    tx.run(
        """
        INSERT INTO treasuries (name, chain_id, token_address)
        VALUES (:name, :chain_id, :token_address) ON CONFLICT (name) DO NOTHING
        """,
        name=name,
        chain_id=chain_id,
        token_address=token_address,
    )


def insert_signer(tx: Tx, address: str, treasury: str, kms_version: str, now: datetime) -> None:
    """The treasury's first key; nothing when it has one."""
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
