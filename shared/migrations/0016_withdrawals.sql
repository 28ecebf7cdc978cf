-- Withdrawals that members sign themselves, and what their wallets have seen.
SELECT 1;
