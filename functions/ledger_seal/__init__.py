"""Seals the ledger each day and adds it up again."""
