"""Publishes the events and tasks that transactions have written to the outbox."""
