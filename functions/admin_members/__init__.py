"""Admins see and set a member's tiers, suspend a member and activate one."""
