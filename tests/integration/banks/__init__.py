"""Accounts at banks: connected by owners, read by a job, told by webhooks, shown to members."""
