"""Removes what is left of a deleted account."""
