"""Sends what members have signed, and follows it until it is final."""
