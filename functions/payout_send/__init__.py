"""Sends payouts to the chain."""
