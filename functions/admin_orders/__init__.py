"""Admins look at orders, have them cancelled, refund them, and say what became of payments that nobody can tell."""
