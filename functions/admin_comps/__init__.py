"""Admins change the rules of comps, look into comps, award and cancel them."""
