"""Gives access tokens a new signing key before the old one is old."""
