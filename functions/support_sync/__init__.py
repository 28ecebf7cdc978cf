"""Tells Intercom of members who ask for support, opens their appeals there, and has it forget closed accounts."""
