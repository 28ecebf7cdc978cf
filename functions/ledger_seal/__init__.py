"""Checks the ledger each day and seals it."""
