"""Creates the coming months of every table that is partitioned by month."""
