"""HTTP sessions that ports keep between calls, so that not every call pays for a new TCP and TLS connection.

All threads of a process share a session; a forked process makes its own. A connection that the other side has closed
while it was idle is noticed before it is used, and replaced: nothing was sent then. Whatever fails later is never
repeated here, because the request may have been done.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from shared.ports.loopback import is_loopback

if TYPE_CHECKING:
    import requests

CONNECTIONS_MAX = 64  # that are kept for one host; more are used when needed, and closed afterwards
IDLE_SECONDS_MAX = 55.0  # routers forget a silent connection without telling either end
REFRESH_SECONDS_MAX = 10.0  # for a new access token of Google


@dataclass
class _Kept:
    session: "requests.Session"
    used_at: float


_lock = threading.Lock()
_kept: dict[tuple[int, str], _Kept] = {}  # by process: a forked child must not use its parent's connections


@contextmanager
def plain() -> Iterator["requests.Session"]:
    """The session for vendors who know us by what each request says: no proxy, no cookies, no login of its own."""
    with _connected("", _plain) as session:
        yield session


@contextmanager
def authorized(base: str, scope: str) -> Iterator["requests.Session"]:
    """The session that logs in at Google for a scope; to a loopback address no credentials are sent."""
    with plain() if is_loopback(base) else _connected(scope, lambda: _logged_in(scope)) as session:
        yield session


def close() -> None:
    """Close this process's connections, and log in anew with the next call, as the environment then says."""
    with _lock:
        mine = [_kept.pop(key).session for key in list(_kept) if key[0] == os.getpid()]
    for session in mine:
        session.close()


@contextmanager
def _connected(name: str, make: Callable[[], "requests.Session"]) -> Iterator["requests.Session"]:
    """The kept session. After a failure its idle connections are closed: the next call connects anew."""
    import requests

    session = _session(name, make)
    try:
        yield session
    except (requests.ConnectionError, requests.Timeout):
        session.close()
        raise


def _session(name: str, make: Callable[[], "requests.Session"]) -> "requests.Session":
    key, now = (os.getpid(), name), time.monotonic()
    with _lock:
        kept = _kept.get(key)
        if kept is None:
            kept = _kept[key] = _Kept(make(), now)
        elif now - kept.used_at > IDLE_SECONDS_MAX:
            kept.session.close()  # its idle connections; it goes on with new ones
        kept.used_at = now
        return kept.session


def _plain() -> "requests.Session":
    import requests

    session = requests.Session()
    session.trust_env = False  # else a .netrc would replace our Authorization
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return _with_room(session)


def _logged_in(scope: str) -> "requests.Session":
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[scope])
    # google-auth has no types for it
    return _with_room(AuthorizedSession(credentials, refresh_timeout=REFRESH_SECONDS_MAX))  # type: ignore[no-untyped-call]


def _with_room(session: "requests.Session") -> "requests.Session":
    from requests.adapters import HTTPAdapter

    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS_MAX))
    return session
