"""Says each minute how the platform is."""
