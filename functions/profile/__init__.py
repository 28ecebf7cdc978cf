"""Members change their profile, picture, preferences and devices, export their data, and delete their account."""
