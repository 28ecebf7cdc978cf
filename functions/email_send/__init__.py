"""Sends queued mails through the mail provider."""
