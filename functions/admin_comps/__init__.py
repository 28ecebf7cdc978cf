"""Admins change the rules of comps, list and inspect comps, award and cancel them, and review guarantees."""
