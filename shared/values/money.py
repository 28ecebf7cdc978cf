"""USDT amounts: an integer of micro-USDT inside, exact decimals outside, never a float."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Self

MICRO_PER_USDT = 1_000_000
DECIMALS = 6
MICRO_MAX = 2**63 - 1  # what a Postgres bigint holds


class NotAnAmount(ValueError):
    """Raised when the value is not a USDT amount of at most six decimals that fits 64 bits."""


@dataclass(frozen=True, order=True, slots=True)
class Usdt:
    """An amount of USDT, in millionths; it may be negative, as ledger lines are."""

    micro: int

    def __post_init__(self) -> None:
        if not isinstance(self.micro, int) or abs(self.micro) > MICRO_MAX:
            raise NotAnAmount(f"{self.micro!r} is not a count of micro-USDT")

    @classmethod
    def of(cls, amount: Decimal | int | str) -> Self:
        """The amount of a decimal number: `Usdt.of("4.50").micro == 4_500_000`. Raises NotAnAmount, never rounds."""
        try:
            micro = Decimal(amount).scaleb(DECIMALS)
            whole = int(micro)
        except (InvalidOperation, ValueError, OverflowError) as error:
            raise NotAnAmount(f"{amount!r} is not a decimal amount") from error
        if micro != whole:
            raise NotAnAmount(f"{amount!r} has more than {DECIMALS} decimals")
        return cls(whole)

    @property
    def decimal(self) -> Decimal:
        """The exact amount with at least two decimals: 4.50, 0.000001."""
        exact = Decimal(self.micro).scaleb(-DECIMALS)
        cents = exact.quantize(Decimal("0.01"))
        return cents if cents == exact else exact.normalize()

    def __str__(self) -> str:
        return f"{self.decimal:f}"

    def __bool__(self) -> bool:
        return self.micro != 0

    def __add__(self, other: "Usdt") -> "Usdt":
        return Usdt(self.micro + other.micro)

    def __sub__(self, other: "Usdt") -> "Usdt":
        return Usdt(self.micro - other.micro)

    def __neg__(self) -> "Usdt":
        return Usdt(-self.micro)

    def __mul__(self, factor: int) -> "Usdt":
        return Usdt(self.micro * factor)

    def percent(self, percent: int) -> "Usdt":
        """A whole percentage, rounded down to the micro-USDT (21 % of 0.000001 is zero)."""
        return Usdt(self.micro * percent // 100)

    def split(self, parts: int) -> list["Usdt"]:
        """`parts` amounts that differ by at most one micro-USDT and sum to this one, larger ones first."""
        return self.allocate([1] * parts)

    def allocate(self, weights: Sequence[int]) -> list["Usdt"]:
        """Shares proportional to `weights` that sum to this amount exactly (largest remainder, then position).

        Raises ValueError when no weight is positive or one is negative.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights must be non-negative and not all zero")
        shares = [divmod(self.micro * weight, total) for weight in weights]
        left = self.micro - sum(floor for floor, _ in shares)
        by_remainder = sorted(range(len(shares)), key=lambda position: (-shares[position][1], position))
        favoured = set(by_remainder[:left])
        return [Usdt(floor + (position in favoured)) for position, (floor, _) in enumerate(shares)]


ZERO = Usdt(0)
