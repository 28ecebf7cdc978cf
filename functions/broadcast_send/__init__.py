"""Sends an admin's message to every member, a few hundred at a time."""
