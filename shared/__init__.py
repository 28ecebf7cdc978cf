"""The thin library: what two or more functions need."""
