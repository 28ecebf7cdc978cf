"""Opens the widget of the spend card for members."""
