"""Lets vaulted chips expire, warns their owners before, and gives the bonus of each month."""
