"""An invoice as plain text, which every printer and every accountant's program takes; `printing` makes a PDF of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from functions.wholesale.order_models import InvoiceReference
from shared.orders.addresses import DeliveryAddress
from shared.orders.views import OrderLine
from shared.values.money import Usdt

WIDTH = 72


@dataclass(frozen=True)
class Billed:
    """The content of an invoice; `to` is None once the address was removed. `bank` are the lines that say to which
    account it is paid; without them the invoice says whom to ask.
    """

    invoice: InvoiceReference
    order_number: str
    lines: Sequence[OrderLine]
    subtotal: Usdt
    tax: Usdt
    total: Usdt
    is_exempt: bool
    to: DeliveryAddress | None
    sender: Sequence[str]
    bank: Sequence[str]
    asked: str

    @property
    def recipient(self) -> list[str]:
        """The lines of the recipient's address."""
        to = self.to
        if to is None:
            return []
        return [to.recipient, *(line for line in (to.line1, to.line2) if line), f"{to.city}, {to.state} {to.zip}"]

    @property
    def payment(self) -> list[str]:
        """The lines that say how the invoice is paid."""
        return [
            *(self.bank or [f"Ask {self.asked} for the account to which it is paid."]),
            f"Name {self.invoice.number} in the transfer.",
            "The goods are kept for you until the invoice is due.",
        ]


def sums(billed: Billed) -> list[tuple[str, Usdt]]:
    """The labels and amounts under the goods; the last one is the total."""
    return [
        ("Goods", billed.subtotal),
        ("Sales tax (bought for resale)" if billed.is_exempt else "Sales tax", billed.tax),
        ("Total in USD", billed.total),
    ]


def invoice(billed: Billed) -> str:
    """The invoice as lines of at most WIDTH characters, unless a name or an address is longer."""
    found = billed.invoice
    return "\n".join(
        [
            f"Invoice {found.number}",
            "=" * WIDTH,
            *billed.sender,
            "",
            f"Order {billed.order_number}",
            f"Issued {found.issued_at:%Y-%m-%d}   Due {found.due_at:%Y-%m-%d %H:%M} UTC",
            "",
            *([*billed.recipient, ""] if billed.recipient else []),
            "-" * WIDTH,
            *(_line(line) for line in billed.lines),
            "-" * WIDTH,
            *(_row(label, str(amount)) for label, amount in sums(billed)),
            "",
            *billed.payment,
            "",
        ]
    )


def _line(line: OrderLine) -> str:
    return _row(f"{line.quantity:>7} x {line.product_name} ({line.sku}) at {line.unit_price}", str(line.line_total))


def _row(left: str, right: str) -> str:
    return f"{left:<{WIDTH - 14}} {right:>13}"
