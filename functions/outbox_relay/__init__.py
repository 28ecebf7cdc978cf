"""Publishes what transactions have left in the outbox."""
