"""Carries the payout machine's calls to a node: web3's HTTP provider, over connections that stay open.

This is the only place where web3 is used, and `chain` is the only view that uses it. One delivery of the machine asks
each node some ten to a hundred times in a row: with web3 they share a connection, where `rpc.by_urllib` opens one
for each request (two or three round trips with TLS). web3's import costs most of a second of CPU (`python -X importtime
-c "from web3 import HTTPProvider"`: 0.8 to 1 s), so it is imported with the first call. A job pays that once in its
process; functions that answer people, who wait for one or two requests, never do and do not even have web3 installed.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.ports.polygon.rpc import PIECE_BYTES_MAX, Call, limited

if TYPE_CHECKING:
    from requests import Response, Session


class KeptOpen:
    """Carries calls in one session. Threads may share it: a provider is made for each request, so that each batch is
    numbered from 0 and has its own time limit.
    """

    def __init__(self) -> None:
        self._session: Session | None = None

    def __call__(self, url: str, calls: Sequence[Call], seconds: float) -> Any:
        from web3 import HTTPProvider
        from web3.exceptions import Web3Exception

        session = self._opened()
        provider = HTTPProvider(url, {"timeout": seconds}, session, exception_retry_configuration=None)
        try:
            return provider.make_batch_request(list(calls))  # type: ignore[arg-type]  # methods are plain texts here
        except Web3Exception as error:
            raise ValueError(str(error)) from error

    def _opened(self) -> "Session":
        from requests import Session

        if self._session is None:
            self._session = Session()
            self._session.hooks["response"].append(_limit)
        return self._session


class _Limited:
    """An answer's body as requests reads it, which ends with an error once it is too long or too late."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, size: int, *, decode_content: bool) -> Iterator[bytes]:
        """The decoded body, each piece as soon as it is there, of whatever size."""
        del size
        return limited(iter(partial(self._raw.read1, PIECE_BYTES_MAX, decode_content=decode_content), b""))


def _limit(response: "Response", *_: object, **__: object) -> None:
    response.raw = _Limited(response.raw)
