"""Admins schedule live events, start and stop them, and see their keys."""
