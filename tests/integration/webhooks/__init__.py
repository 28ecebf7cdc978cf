"""Webhooks that we send, and the API keys of scripts."""
