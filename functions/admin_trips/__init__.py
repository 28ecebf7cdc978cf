"""Admins see which trips were won and how far the concierge is."""
