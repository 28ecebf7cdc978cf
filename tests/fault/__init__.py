"""Once and only once? Crashes at every step, duplicate deliveries, a faulty chain."""
