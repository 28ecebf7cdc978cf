"""Tells members whose tier ended with the quarter."""
