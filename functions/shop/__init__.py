"""Members see what is sold, and fill a cart."""
