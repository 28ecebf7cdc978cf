"""Admins look at a member's tiers and set them."""
