"""Members read their referral link and choose a code for it, see their chips, vault and withdraw them."""
