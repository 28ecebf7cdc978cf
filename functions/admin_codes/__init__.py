"""Admins order batches of codes, export them, report which were manufactured, and change their status."""
