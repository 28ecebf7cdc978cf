"""Members apply for a wholesale account, and see it and its prices."""
