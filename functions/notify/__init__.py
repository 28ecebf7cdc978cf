"""Tells a member's devices about a new notification."""
