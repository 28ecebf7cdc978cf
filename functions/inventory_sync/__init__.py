"""Takes over what the warehouse has counted, and tells people when products run low or are missing."""
