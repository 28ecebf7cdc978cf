"""Looks at pictures that members send, stores them, and removes those that are not shown any more."""
