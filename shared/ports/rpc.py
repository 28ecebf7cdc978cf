"""JSON-RPC to one node, many questions in one request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from web3 import HTTPProvider

RPC_SECONDS_MAX = 10.0
CALLS_MAX = 100  # of one request; public gateways take no more

Call = tuple[str, list[Any]]


class ChainUnreachable(Exception):
    """A node did not answer, or not what a node answers; nothing is known."""


@dataclass(frozen=True)
class RpcError:
    """The node's own refusal of one call, in its words."""

    message: str


class Node:
    """One JSON-RPC endpoint."""

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
            return [_result(answer) for answer in told]
        except (RequestException, Web3Exception, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChainUnreachable(f"{type(error).__name__}: {error}"[:500]) from error

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


def number(answer: Any) -> int:
    """A quantity; raises ChainUnreachable for anything else."""
    if isinstance(answer, str) and answer.startswith("0x"):
        try:
            return int(answer, 16)
        except ValueError:
            pass
    raise ChainUnreachable(f"no quantity: {answer!r}"[:300])
