"""The faults of one schedule: their probabilities, what happens to chain and operators, and what may be held."""

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fault.simulation.world import World

NEVER = frozenset[str]()
LIES = ((-32000, "nonce too low"), (-32000, "nonce too high"), (-32000, "already known"),
        (-32000, "replacement transaction underpriced"), (-32000, "insufficient funds for gas * price + value"),
        (-32603, "Internal error"))  # fmt: skip


@dataclass
class Plan:
    """A plan. Probabilities are for each single occasion. `heal` ends all faults for good."""

    treasuries: int = 1
    payouts: int = 3
    workers: int = 2
    per_task: int = 1  # payouts that one task takes on
    asked_within: float = 20.0
    heal_at: float = 240.0
    # Workers:
    kill: float = 0.0
    kill_at: dict[str, float] = field(default_factory=dict)  # by the beginning of a point's name
    pause: float = 0.0
    sleep: float = 0.0  # longer than a lease
    skew_seconds: float = 0.0
    # Messages:
    twice: float = 0.0
    late: float = 0.0
    unacknowledged: float = 0.0
    enqueue_fails: float = 0.0
    lost: float = 0.0  # first tasks of a payout, which the queue takes and never delivers
    other_keys: float = 0.0  # the same source is requested once more, under another idempotency key
    replayed: bool = False  # everything once more at the end, days later
    poison: int = 0  # the number of deliveries that no job can use
    # Database:
    commit_lost: float = 0.0
    commit_unknown: float = 0.0
    serialization: float = 0.0
    deadlock: float = 0.0
    disk_full: float = 0.0
    # Nodes:
    rpc_lost: float = 0.0
    rpc_lost_after: float = 0.0
    rpc_hang_up: float = 0.0
    rpc_page: float = 0.0
    rpc_garbage: float = 0.0
    rpc_half: float = 0.0
    rpc_wrapped: float = 0.0
    rpc_wrapped_after: float = 0.0
    rpc_limited: float = 0.0  # one call of a batch: too many requests
    null: float = 0.0
    send_lie: float = 0.0
    lies: tuple[tuple[int, str], ...] = LIES
    # What healthy nodes do not answer either: more blocks at once, an old hash.
    log_blocks_max: int = 10_000
    whole_blocks_max: int = 100  # in one request
    indexed_blocks: int = 2_350_000  # newest blocks of which a transaction is found by its hash
    fee_logs: bool = True  # a log for each transaction's fee, as Bor writes it
    # Keys:
    kms_timeout: float = 0.0
    kms_quota: float = 0.0
    kms_outage: float = 0.0
    kms_wrong_key: float = 0.0
    kms_damaged: float = 0.0
    # Chain, each time the clock is read:
    reorganise: float = 0.0
    depths: tuple[int, ...] = (1, 3, 10)
    modes: tuple[str, ...] = ("dropped", "pool", "older")
    evict: float = 0.0
    # What is set up, and what happens at a moment (seconds):
    begin: "list[Callable[[World], None]]" = field(default_factory=list)
    events: "list[tuple[float, str, Callable[[World], None]]]" = field(default_factory=list)
    repairs: "list[Callable[[World], None]]" = field(default_factory=list)
    # What may remain at the end besides PAID:
    may_hold: frozenset[str] = NEVER
    may_cancel: bool = False
    may_pause: bool = False  # a treasury, and with it whatever it has not paid
    released: frozenset[str] = NEVER  # what operators release after the faults
    ends_alone: frozenset[str] = NEVER  # holds that the machine ends when their cause is gone
    resumed: bool = False  # treasuries too, when no question is open
    patience_seconds: float = 3 * 3600.0
    starts_within: float = 0.0  # seconds between a payout's request and its nonce; 0 is without a limit

    def heal(self) -> None:
        """Set the probabilities of all faults to zero."""
        for name in CHANCES:
            setattr(self, name, 0.0)
        self.kill_at.clear()


CHANCES = tuple(it.name for it in fields(Plan) if it.type is float or it.type == "float")
CHANCES = tuple(
    name for name in CHANCES if name not in {"asked_within", "heal_at", "patience_seconds", "starts_within"}
)
