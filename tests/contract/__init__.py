"""Checks that every description of the system agrees with the system."""
