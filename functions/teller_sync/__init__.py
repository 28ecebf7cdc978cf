"""Reads the balances of the accounts at banks, and tells people when a bank wants its owner again."""
