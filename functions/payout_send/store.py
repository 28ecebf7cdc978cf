"""What the policy needs to know of the platform itself."""

from dataclasses import dataclass

from shared.db import Tx


@dataclass(frozen=True)
class _Address:
    address: str


def platform_addresses(tx: Tx) -> frozenset[str]:
    """Every treasury key and token contract, in lower case: nobody's wallet."""
    rows = tx.all(
        _Address,
        """
        SELECT lower(address) AS address FROM signers
        UNION SELECT lower(token_address) FROM treasuries
        """,
    )
    return frozenset(row.address for row in rows)
