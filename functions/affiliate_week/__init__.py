"""Divides the pool of affiliates each week, and pays what they are owed."""
