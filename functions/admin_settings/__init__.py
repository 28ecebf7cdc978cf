"""Owners read and change the settings of the platform, with what would change, history and revert."""
