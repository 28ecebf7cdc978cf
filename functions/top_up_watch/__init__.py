"""Follows top-ups of the treasuries on both chains."""
