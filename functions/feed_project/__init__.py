"""Copies what listeners may see from Postgres to Firestore."""
