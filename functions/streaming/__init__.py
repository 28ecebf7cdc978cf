"""Members see which streams are live, planned and past, and watch them."""
