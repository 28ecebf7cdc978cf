"""Brings an awarded payout to the chain."""
