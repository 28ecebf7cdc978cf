"""Checks that money moves once and only once: crashes at every step, duplicate deliveries, a faulty chain."""
