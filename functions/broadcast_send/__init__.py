"""Tells every member what an admin has to say, some hundred at a time."""
