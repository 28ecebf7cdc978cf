"""Members see their account, tiers, progress and comps."""
