"""Usernames made of a name: free, valid, and taken when they are sent back."""

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.client import FunctionClient

Client = Callable[..., FunctionClient]

pytestmark = pytest.mark.usefixtures("database")


def suggested(client: Client, name: str) -> list[str]:
    found: list[str] = client().get(f"/v1/auth/username-suggestions?full_name={quote(name)}").body["suggestions"]
    return found


def sign_up(client: Client, email: str, username: str) -> int:
    body = {"email": email, "password": "Sesame-Open-77!", "full_name": "Ada", "date_of_birth": "1990-12-10"}
    return client().post("/v1/auth/signup", body | {"username": username}).status


def test_the_plainest_comes_first(client: Client) -> None:
    assert suggested(client, "Ada Lovelace")[:2] == ["adalovelace", "ada_lovelace"]


def test_what_is_taken_is_not_suggested(client: Client) -> None:
    assert sign_up(client, "ada@example.com", "AdaLovelace") == 201
    found = suggested(client, "Ada Lovelace")
    assert found[0] == "ada_lovelace"
    assert len(found) == 3


@pytest.mark.parametrize("name", ["José Álvarez", "李小龍", "A", "x" * 255, "O'Neill-Śmith", "💥", "' OR 1=1 --"])
def test_every_suggestion_is_a_username(name: str, client: Client) -> None:
    found = suggested(client, name)
    assert 2 <= len(found) <= 3
    assert all(re.fullmatch(r"[A-Za-z0-9_]{3,30}", username) for username in found)


def test_a_suggestion_can_be_had(client: Client) -> None:
    for number, username in enumerate(suggested(client, "Ada Lovelace")):
        assert sign_up(client, f"m{number}@example.com", username) == 201


def test_a_name_is_needed(client: Client) -> None:
    for query in (
        "",
        "?full_name=",
        "?full_name=%20",
        f"?full_name={'x' * 256}",
        "?full_name=a&full_name=b",
        "?name=a",
    ):
        assert client().get(f"/v1/auth/username-suggestions{query}").problem == "not-valid", query
