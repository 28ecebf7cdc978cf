"""What members say about themselves: profile, picture, preferences, devices; their data, and its erasure."""
