"""Tokens with which clients listen to Firestore."""
