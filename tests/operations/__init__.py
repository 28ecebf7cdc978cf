"""Example requests for the operations of openapi.yaml, and what they need to succeed."""
