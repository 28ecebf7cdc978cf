"""Admins look at flagged scans and decide."""
