"""What can be won (plan section "Comp Award System")."""

from enum import StrEnum


class CompType(StrEnum):
    """A kind of comp."""

    CRYPTO_100 = "crypto_100"
    CRYPTO_1K = "crypto_1k"
    CRYPTO_10K = "crypto_10k"
    TRIP = "trip"
    CASINO = "casino"
    NEW_MEMBER_GUARANTEE = "new_member_guarantee"
    MANUAL = "manual"


CRYPTO = frozenset({CompType.CRYPTO_100, CompType.CRYPTO_1K, CompType.CRYPTO_10K})
