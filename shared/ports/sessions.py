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
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

CONNECTIONS_MAX = 64  # that are kept by a session; more are used when needed, and closed afterwards
IDLE_SECONDS_MAX = 55.0  # routers forget a silent connection without telling either end


@dataclass
class _Kept:
    session: "requests.Session"
    used_at: float


_lock = threading.Lock()
_kept: dict[tuple[int, str], _Kept] = {}  # by process: a forked child must not use its parent's connections


@contextmanager
def plain(url: str) -> Iterator["requests.Session"]:
    """The session for the host of a vendor who knows us by what each request says: no proxy, no cookies, no login."""
    with kept(urlsplit(url).netloc, bare) as session:
        yield session


@contextmanager
def kept(name: str, make: Callable[[], "requests.Session"]) -> Iterator["requests.Session"]:
    """The session of this name, which is made once in a process. After a failure its idle connections are closed, and
    the next call connects anew.
    """
    import requests

    session = _session(name, make)
    try:
        yield session
    except (requests.ConnectionError, requests.Timeout):
        session.close()
        raise


def with_room(session: "requests.Session") -> "requests.Session":
    """The session with room for the connections of many threads."""
    from requests.adapters import HTTPAdapter

    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS_MAX))
    return session


def close() -> None:
    """Close this process's connections, and log in anew with the next call, as the environment then says."""
    with _lock:
        mine = [_kept.pop(key).session for key in list(_kept) if key[0] == os.getpid()]
    for session in mine:
        session.close()


def _session(name: str, make: Callable[[], "requests.Session"]) -> "requests.Session":
    key, now = (os.getpid(), name), time.monotonic()
    with _lock:
        found = _kept.get(key)
        if found is None:
            found = _kept[key] = _Kept(make(), now)
        elif now - found.used_at > IDLE_SECONDS_MAX:
            found.session.close()  # its idle connections; it goes on with new ones
        found.used_at = now
        return found.session


def bare() -> "requests.Session":
    """A new session without proxy, cookies and login."""
    import requests

    session = requests.Session()
    session.trust_env = False  # else a .netrc would replace our Authorization
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return with_room(session)
