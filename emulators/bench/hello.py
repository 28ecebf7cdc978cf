"""The smallest possible function: the floor that cold starts and requests are compared with."""

from flask import Request


def hello(request: Request) -> str:
    """Return the same short text for every request."""
    del request
    return "hello"


def cloud_sql_connector(request: Request) -> str:
    """Import what every function that queries Cloud SQL imports before its first query in the cloud."""
    from google.cloud.sql.connector import Connector

    del request
    return Connector.__name__
