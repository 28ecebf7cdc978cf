"""Admins send a message to every member."""
