"""Invalidates or reuses the codes of a whole batch, chunk by chunk."""
