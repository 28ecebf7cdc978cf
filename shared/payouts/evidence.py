"""Turns a transaction read from the chain into the evidence that is stored in the payout diary for people to judge."""

from dataclasses import asdict

from shared.ports.polygon.chain import Found, Receipt


def evidence(found: Found) -> dict[str, object]:
    """A transaction with its receipt and transfers, in the form in which the diary stores it."""
    receipt = asdict(found.receipt)
    return {**{name: getattr(found, name) for name in ("hash", "sender", "nonce", "to", "gas_limit")}} | {
        "fee_per_gas_wei_max": found.fee_per_gas_wei_max,
        "priority_fee_per_gas_wei_max": found.priority_fee_per_gas_wei_max,
        "block_number": receipt["block_number"],
        "block_hash": receipt["block_hash"],
        "succeeded": receipt["succeeded"],
        "moved": [dict(moved) for moved in receipt["moved"]],
    }


def of_receipt(receipt: Receipt) -> dict[str, object]:
    """The receipt of one of our own transactions, in the form in which the diary stores it."""
    moved = [dict(vars(it)) for it in receipt.moved]
    return {
        "hash": receipt.hash,
        "block_number": receipt.block_number,
        "block_hash": receipt.block_hash,
        "moved": moved,
    }
