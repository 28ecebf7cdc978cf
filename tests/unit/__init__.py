"""Checks that decisions are right: rules, money, tiers, routing; nothing outside the process."""
