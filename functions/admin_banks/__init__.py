"""Owners connect the company's accounts at banks; treasury admins see what has become of them."""
