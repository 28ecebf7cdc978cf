"""Figures of the platform that everybody may see."""
