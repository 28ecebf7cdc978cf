"""Judges the volume, warns admins as it nears the end of the affiliate program, and closes the program."""
