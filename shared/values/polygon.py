"""Constants of Polygon and its coin, and the pages of the site on which members look things up."""

EXPLORER = "https://polygonscan.com"
ZERO_ADDRESS = "0x" + "0" * 40
WEI_DECIMALS = 18
GWEI = 10**9


def transaction_page(transaction_hash: str) -> str:
    """The page on which members look a transaction up."""
    return f"{EXPLORER}/tx/{transaction_hash}"


def address_page(address: str) -> str:
    """The page on which members look a wallet up."""
    return f"{EXPLORER}/address/{address}"
