"""Admins tell something to every member."""
