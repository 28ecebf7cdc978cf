"""Sends push notifications to a member's devices."""
