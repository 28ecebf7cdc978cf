"""The routes and problems of all functions, as their code declares them."""

import importlib
from collections.abc import Iterator

from emulators import contract
from shared.api import Api
from shared.values.problems import Problem
from shared.web.in_transaction import Route


def apis() -> dict[str, Api]:
    """Import the functions behind the gateway and return the API of each, by the function's name."""
    return {
        name: importlib.import_module(f"functions.{name}.main").api
        for name, function in contract.functions().items()
        if function.gateway
    }


def routes() -> Iterator[tuple[str, Route]]:
    """Yield every route with the name of its function."""
    for name, api in apis().items():
        for route in api.routes:
            yield name, route


def all_problems() -> dict[str, type[Problem]]:
    """Return every class of problem of the product, by its slug."""
    apis()
    found: dict[str, type[Problem]] = {}
    todo: list[type[Problem]] = [Problem]
    while todo:
        kind = todo.pop()
        todo.extend(kind.__subclasses__())
        if kind is not Problem:
            found[kind.slug()] = kind
    return found
