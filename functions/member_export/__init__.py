"""Writes all data about a member into a file."""
