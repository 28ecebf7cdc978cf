"""Logs the state of the platform each minute, for metrics and alerts."""
