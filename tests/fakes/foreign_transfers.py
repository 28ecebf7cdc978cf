"""Transfers that somebody else signs with a treasury's key."""

from tests.fakes.chain import Included, SignedTransfer
from tests.fakes.payout_driver import BLOCKS_TO_FINAL, PayoutDriver
from tests.fakes.payout_rows import AMOUNT, new_hash

THIEF = "0x" + "ee" * 20


def transfer_from_outside(
    payout_driver: PayoutDriver, signer: str, nonce: int, recipient: str, amount: int = AMOUNT
) -> SignedTransfer:
    """Put a transfer with this nonce on the chain that the signer's key has signed and the product has not."""
    sender, fees = signer.lower(), (10**11, 10**11, 120_000)
    sent = SignedTransfer(new_hash(), 137, sender, nonce, payout_driver.chain.token, recipient.lower(), amount, *fees)
    payout_driver.chain.pool.pop((sender, nonce), None)
    payout_driver.chain.mine()
    payout_driver.chain.blocks[-1].included.append(Included(sent, succeeded=True))
    payout_driver.chain.mine(BLOCKS_TO_FINAL)
    return sent
