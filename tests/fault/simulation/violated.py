"""The exception with which a schedule ends when a rule was broken."""


class Violated(BaseException):
    """Raised when a rule did not hold; the message says which and where. No handler of the product swallows it."""
