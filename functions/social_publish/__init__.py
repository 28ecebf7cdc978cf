"""Publishes what happens in the chat's channels to their listeners."""
