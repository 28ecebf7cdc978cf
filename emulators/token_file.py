"""The access token of the first call that `make run` prints: in a file, kept fresh for as long as the stack is up."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emulators.client import Client, Unexpected
from emulators.people import Person
from emulators.running import private

LOOK_SECONDS = 0.5  # how soon a moved clock is noticed
SPARE = timedelta(minutes=5)  # how long a token is valid at least


class TokenFile:
    """A session of the member for this purpose, from `start` to `stop`."""

    def __init__(self, path: Path, person: Person, now: Callable[[], datetime], tell: Callable[[str], None]) -> None:
        """`tell` is called once when no token can be had any more, and once when there is one again."""
        self._path = path
        self._client = Client(person.client.url)
        self._now = now
        self._tell = tell
        self._fresh_from = self._fresh_until = now()
        self._refresh_token = ""
        self._login = {"email": person.email, "password": person.password, "device": {"kind": "desktop"}}
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="token", daemon=True)

    def start(self) -> None:
        """Write the file, and keep the token in it fresh from then on."""
        self._renew()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            if not self._fresh_from <= self._now() < self._fresh_until:
                self._try_to_renew()

    def _try_to_renew(self) -> None:
        try:
            self._renew()
        except (Unexpected, OSError) as error:
            if not self._failing:
                self._tell(f"{self._path.name} is not fresh any more: {error}")
            self._failing = True
            return
        if self._failing:
            self._tell(f"{self._path.name} is fresh again")
        self._failing = False

    def _renew(self) -> None:
        now = self._now()
        pair = self._refreshed() or self._client.must("POST", "/v1/auth/login", self._login)
        self._refresh_token = pair["refresh_token"]
        self._fresh_from, self._fresh_until = now, now + timedelta(seconds=pair["expires_in"]) - SPARE
        private(self._path, pair["access_token"])

    def _refreshed(self) -> Any:
        """A new pair of tokens; None when the refresh token is refused, as it is after 30 days without a use."""
        if not self._refresh_token:
            return None
        try:
            return self._client.must("POST", "/v1/auth/refresh", {"refresh_token": self._refresh_token})
        except Unexpected:
            return None
