"""Erases deleted accounts, and every hour removes rows whose retention period has ended."""
