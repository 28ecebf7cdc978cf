"""Creates the coming months of every table that is partitioned by month, and drops those whose time is over."""
