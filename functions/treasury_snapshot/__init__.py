"""Writes down each hour what the treasuries hold, and wakes people when it is little."""
