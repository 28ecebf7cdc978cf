"""A member's own profile, progress and comps."""
