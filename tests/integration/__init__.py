"""Checks that queries and locks are right: real Postgres; the clouds over the wire from emulators in this process."""
