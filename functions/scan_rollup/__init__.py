"""Counts scans per minute, hour and day."""
