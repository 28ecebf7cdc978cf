"""Applies migrations and registers the keys that KMS holds."""
