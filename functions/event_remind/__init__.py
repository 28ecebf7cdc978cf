"""Reminds members of live events an hour before, and tells them when these are moved or cancelled after that."""
