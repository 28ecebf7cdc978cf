"""Writes reports that admins ask for into CSV files."""
