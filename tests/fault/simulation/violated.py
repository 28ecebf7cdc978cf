"""What a schedule ends with when it should not have."""


class Violated(Exception):
    """A rule did not hold; the message says which and where."""
