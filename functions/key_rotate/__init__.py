"""Gives access tokens a new signing key every quarter."""
