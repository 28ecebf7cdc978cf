"""Compares the books with the chain, payout by payout, each day and on request."""
