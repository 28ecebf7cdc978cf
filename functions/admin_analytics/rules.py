"""How many reports an admin may ask for, and the refusal of more. Pure."""

from shared.values.problems import TooManyRequests

REPORTS_PER_HOUR = 20


class TooManyReports(TooManyRequests):
    """The admin has asked for many reports within the hour."""

    title = "You have asked for very many reports; wait a little."
