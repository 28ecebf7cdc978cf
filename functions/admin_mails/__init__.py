"""Admins write mails, and send them to segments of the members."""
