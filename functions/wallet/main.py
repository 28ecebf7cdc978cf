"""HTTP: the member's own wallet: link it, look at it, withdraw from it (docs/product.md, "Wallets and withdrawals").

The money in it is the member's: we prepare a transfer, the member's wallet signs it, we send what was signed.
"""

from flask import Request, Response

from functions.wallet import looking, withdrawing
from functions.wallet.common import api

__all__ = ["api", "looking", "wallet", "withdrawing"]


def wallet(request: Request) -> Response:
    return api.handle(request)
