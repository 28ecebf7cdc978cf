"""Queues the mails of campaigns, a window of members at a time."""
