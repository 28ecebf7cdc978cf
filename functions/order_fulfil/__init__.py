"""Has the warehouse send paid orders, and follows their parcels."""
