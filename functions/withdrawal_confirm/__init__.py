"""Sends the withdrawals that members have signed, and follows them until they are final."""
