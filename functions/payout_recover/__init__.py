"""Rebuilds keys from the chain, and moves treasuries to their next keys."""
