"""Hears from vendors that something has happened."""
