"""Admins set prices, take products off sale, and count the stock."""
