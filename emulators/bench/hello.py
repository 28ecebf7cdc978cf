"""The least that a function can be: the floor that cold starts and requests are compared with."""

from flask import Request


def hello(request: Request) -> str:
    """Whatever is asked."""
    del request
    return "hello"


def cloud_sql_connector(request: Request) -> str:
    """What every function that queries Cloud SQL imports beside all else, before its first query in the cloud."""
    from google.cloud.sql.connector import Connector

    del request
    return Connector.__name__
