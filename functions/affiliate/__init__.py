"""What members refer others with."""
