"""Compares payments with the card provider's own list, each day and on request."""
