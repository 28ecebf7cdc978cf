"""Admins look after the chat: cases, sanctions, pins and channels."""
