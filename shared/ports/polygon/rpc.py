"""JSON-RPC to one node, with many calls in one request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from web3 import HTTPProvider

RPC_SECONDS_MAX = 10.0
COUNT_MAX = 2**40  # no chain has as many blocks, and no address as many transactions
CALLS_MAX = 100  # calls in one request; Bor takes no more (rpc.batchlimit)

Call = tuple[str, list[Any]]


class ChainUnreachable(Exception):
    """Raised when a node does not answer, or answers nonsense: nothing is known."""


@dataclass(frozen=True)
class RpcError:
    """A node's refusal of one call, with its message."""

    message: str


class Node:
    """One JSON-RPC endpoint of a node."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._provider: HTTPProvider | None = None

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        """The result of each call, in order; an RpcError for one that was refused. Raises ChainUnreachable."""
        answers: list[Any] = []
        for start in range(0, len(calls), CALLS_MAX):
            answers += self._post(calls[start : start + CALLS_MAX])
        return answers

    def _post(self, calls: Sequence[Call]) -> list[Any]:
        from requests import RequestException
        from web3.exceptions import Web3Exception

        try:
            told: Any = self._connected().make_batch_request(list(calls))  # type: ignore[arg-type]
            if not isinstance(told, list) or len(told) != len(calls):
                raise ChainUnreachable(f"an answer to {len(calls)} calls was {str(told)[:200]}")
            if len({answer["id"] for answer in told}) != len(calls):
                raise ChainUnreachable("several answers to one call")
            return [_result(answer) for answer in told]
        except (RequestException, Web3Exception, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChainUnreachable(f"{type(error).__name__}: {self._without_key(str(error))}"[:500]) from None

    def _without_key(self, text: str) -> str:
        """Removes the API key from an error, which names the whole URL: the key is in its path, query or user part."""
        address = urlsplit(self._url)
        for part in (address.path.strip("/"), address.query, address.netloc.rpartition("@")[0], address.password):
            if part:
                text = text.replace(part, "…")
        return text

    def _connected(self) -> "HTTPProvider":
        from web3 import HTTPProvider

        if self._provider is None:
            timeout = {"timeout": RPC_SECONDS_MAX}
            self._provider = HTTPProvider(self._url, request_kwargs=timeout, exception_retry_configuration=None)
        return self._provider


def _result(answer: Any) -> Any:
    if answer.get("error") is not None:
        error = answer["error"]
        return RpcError(str(error.get("message", error) if isinstance(error, dict) else error)[:500])
    return answer["result"]


def count(answer: Any) -> int:
    """A number of blocks or transactions. Raises ChainUnreachable if it is no number or impossibly large."""
    counted = number(answer)
    if counted > COUNT_MAX:
        raise ChainUnreachable(f"an absurd number: {counted}"[:300])
    return counted


def number(answer: Any) -> int:
    """The integer of a quantity ("0x…"). Raises ChainUnreachable for anything else."""
    if isinstance(answer, str) and answer.startswith("0x"):
        try:
            return int(answer, 16)
        except ValueError:
            pass
    raise ChainUnreachable(f"no quantity: {answer!r}"[:300])
