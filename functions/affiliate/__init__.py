"""Members read their referral link and choose a code for it."""
