"""Gives new members their monthly comp."""
