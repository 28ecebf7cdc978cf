"""Members see what can be won, and choose their trips."""
