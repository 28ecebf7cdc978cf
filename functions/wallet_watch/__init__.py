"""Finds what buyers have sent in USDT, and sends back what is owed to them."""
