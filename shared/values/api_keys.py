"""Keys by which an owner's scripts read: what they look like, and which operations a key can be made for. Pure."""

import hashlib
from datetime import timedelta

KEY_PREFIX = "bjk_"
RANDOM_BYTES = 32
KEY_LIFE = timedelta(days=90)
API_KEYS_MAX = 20  # that are good at the same time

# Operations of admins that change nothing and show figures of the platform: nothing about a member, no address, no
# payment of one person. Nothing else can be read with a key, whatever its owner may do.
READABLE = frozenset(
    {
        "get_analytics",
        "get_dashboard",
        "get_health",
        "list_admin_products",
        "list_integrations",
        "list_stock",
        "list_treasury_pools",
    }
)


def hash_of(key: str) -> bytes:
    """The hash that is kept of a key. It has 256 random bits: nobody guesses it, so that one SHA-256 is enough."""
    return hashlib.sha256(key.encode()).digest()
