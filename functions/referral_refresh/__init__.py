"""Notes for affiliates who of their referrals scans, with which tier, and what the present week has so far."""
