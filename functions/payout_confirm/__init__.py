"""Follows a payout's transaction until it is final."""
