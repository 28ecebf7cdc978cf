"""Notifies members whose tier ended with the quarter."""
