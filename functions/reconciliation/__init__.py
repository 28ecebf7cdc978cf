"""Compares the books with the chain, payout by payout, each day and when asked."""
