"""Checks the pictures that members upload, stores them, and removes those that are no longer shown."""
