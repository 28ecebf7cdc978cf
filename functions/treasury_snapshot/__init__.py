"""Records each hour the treasuries' balances, and alerts treasury admins when one is low."""
