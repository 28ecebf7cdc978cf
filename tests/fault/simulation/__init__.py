"""A whole world in one process: chain, keys, queues, clock and faults from a seed, around the real payout code."""
