"""Admins decide about wholesale accounts: approve, reject, suspend and activate."""
