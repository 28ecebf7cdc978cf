"""Admins see which trips were won, and record the concierge's steps."""
