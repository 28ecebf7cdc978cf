"""Asks the card's provider for what orders need, and for what has become of it."""
