"""Writes everything about a member into a file."""
