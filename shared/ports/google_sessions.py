"""The kept sessions of ports that ask Google by plain HTTP: each logs in for its scope as the function's account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.ports import sessions
from shared.ports.loopback import is_loopback

if TYPE_CHECKING:
    import requests

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"  # the scope of services that have none of their own
REFRESH_SECONDS_MAX = 10.0  # for a new access token


@contextmanager
def authorized(base: str, scope: str) -> Iterator["requests.Session"]:
    """The session for a scope; to a loopback address no credentials are sent."""
    with sessions.plain(base) if is_loopback(base) else sessions.kept(scope, lambda: _logged_in(scope)) as session:
        yield session


def _logged_in(scope: str) -> "requests.Session":
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[scope])
    # google-auth has no types for it
    session = AuthorizedSession(credentials, refresh_timeout=REFRESH_SECONDS_MAX)  # type: ignore[no-untyped-call]
    return sessions.with_room(session)
