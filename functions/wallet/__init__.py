"""Links a wallet to a member."""
