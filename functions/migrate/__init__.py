"""Applies migrations, registers the keys that KMS holds, and checks that the nodes answer all calls."""
