"""An invoice as plain text, which every printer and every accountant's program takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from functions.wholesale.order_models import InvoiceReference
from shared.orders.addresses import DeliveryAddress
from shared.orders.views import OrderLine
from shared.values.money import Usdt

WIDTH = 72


@dataclass(frozen=True)
class Billed:
    """The content of an invoice; `to` is None once the address was removed."""

    invoice: InvoiceReference
    order_number: str
    lines: Sequence[OrderLine]
    subtotal: Usdt
    tax: Usdt
    total: Usdt
    is_exempt: bool
    to: DeliveryAddress | None


def invoice(billed: Billed) -> str:
    """The invoice as lines of at most WIDTH characters, unless a name or an address is longer."""
    found = billed.invoice
    return "\n".join(
        [
            f"BlakJaks  -  Invoice {found.number}",
            "=" * WIDTH,
            f"Order {billed.order_number}",
            f"Issued {found.issued_at:%Y-%m-%d}   Due {found.due_at:%Y-%m-%d %H:%M} UTC",
            "",
            *_recipient(billed.to),
            "-" * WIDTH,
            *(_line(line) for line in billed.lines),
            "-" * WIDTH,
            _sum("Goods", billed.subtotal),
            _sum("Sales tax (bought for resale)" if billed.is_exempt else "Sales tax", billed.tax),
            _sum("Total in USD", billed.total),
            "",
            f"Name {found.number} in the transfer. The goods are kept for you until the invoice is due.",
            "",
        ]
    )


def _recipient(to: DeliveryAddress | None) -> list[str]:
    if to is None:
        return []
    return [to.recipient, *(line for line in (to.line1, to.line2) if line), f"{to.city}, {to.state} {to.zip}", ""]


def _line(line: OrderLine) -> str:
    return _row(f"{line.quantity:>7} x {line.product_name} ({line.sku}) at {line.unit_price}", str(line.line_total))


def _sum(label: str, amount: Usdt) -> str:
    return _row(label, str(amount))


def _row(left: str, right: str) -> str:
    return f"{left:<{WIDTH - 14}} {right:>13}"
