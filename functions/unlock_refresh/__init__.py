"""Computes how many tins are sold per month, which unlocks comps."""
