"""Keys that KMS holds, as the database knows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx


@dataclass(frozen=True)
class _Count:
    count: int


def insert_signing_key(
    tx: Tx, kid: str, kms_version: str, public_jwk: Mapping[str, str], now: datetime, active_from: datetime
) -> bool:
    """False when it is known already."""
    return bool(
        tx.run(
            """
            INSERT INTO signing_keys (kid, kms_version, public_jwk, created_at, active_from)
            VALUES (:kid, :kms_version, :public_jwk, :now, :active_from) ON CONFLICT DO NOTHING
            """,
            kid=kid,
            kms_version=kms_version,
            public_jwk=dict(public_jwk),
            now=now,
            active_from=active_from,
        )
    )


def signing_keys(tx: Tx) -> int:
    """How many there are."""
    return tx.one(_Count, "SELECT count(*) AS count FROM signing_keys WHERE retired_at IS NULL").count


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
