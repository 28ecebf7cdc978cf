"""Pauses a treasury after several reverts in a row, because their common cause is not the recipients'."""

from datetime import datetime

from functions.payout_confirm import store
from shared import settings
from shared.db import Tx
from shared.payouts import stops
from shared.payouts.slots import Slot

REMEDY = "Read the reverted transactions and find out why. Resume when it is mended: one more revert pauses it again."


def heed(tx: Tx, treasury: str, slot: Slot, now: datetime) -> None:
    """Pause the treasury and wake people if this slot's payment and those before it have reverted, as many in a row as
    `payout_reverts_max`. A payment counts as soon as it is mined: many more could be signed before it is final.
    """
    most = settings.load(tx).payouts.reverts_max
    if store.reverted_in_a_row(tx, slot.signer, slot.nonce, most):
        stops.stop(tx, treasury, f"{most} payments in a row have reverted", REMEDY, now)
