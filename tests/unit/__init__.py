"""Is the decision right? Rules, money, tiers, routing; nothing outside the process."""
