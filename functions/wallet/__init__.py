"""Members link a wallet, see it, and withdraw from it."""
