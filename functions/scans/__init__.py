"""Members scan codes."""
