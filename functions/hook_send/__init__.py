"""Delivers webhooks to their receivers."""
