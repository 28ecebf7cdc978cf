"""Admins read the audit log, and see what waits for people and whether the platform is well."""
