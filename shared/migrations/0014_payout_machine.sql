-- What the whole payout machine needs beyond the foundation: limits, replacements, search, recovery.
SELECT 1;
