"""The base class of every port's temporary failure, so that the code that answers people need not know the ports."""


class Outage(Exception):
    """Raised when an outside service does not answer; the same call may succeed later."""
