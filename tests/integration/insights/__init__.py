"""Figures that everybody is shown."""
