"""Opens the spend card's widget for members."""
