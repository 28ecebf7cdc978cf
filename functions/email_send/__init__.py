"""Sends queued mails."""
