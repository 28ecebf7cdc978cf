"""Checks that invariants hold: Hypothesis against money, ledger, tiers, awards."""
