"""Admins make batches of codes, export them, and tell which were manufactured."""
