"""Admins look for members, read and mend accounts, set tiers and roles, suspend and activate."""
