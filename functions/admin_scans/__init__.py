"""Admins review flagged scans and decide about them."""
