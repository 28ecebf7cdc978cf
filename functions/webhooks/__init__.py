"""Hears from the shop's vendors that something has happened."""
