"""Generates the codes of a batch, chunk by chunk."""
