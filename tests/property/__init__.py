"""Does an invariant ever break? Hypothesis against money, ledger, tiers, awards."""
