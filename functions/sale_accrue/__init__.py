"""Gives the pools their shares of what was sold, and takes them back with what is refunded."""
