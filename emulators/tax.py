"""A local Kintsugi: estimates by a table of a few states, transactions and credit notes, in the shapes of its API.

`POST /v1/tax/estimate`, `POST /v1/transactions`, `POST /v1/transactions/<id>/credit_notes`, `GET
/v1/transactions/external/<external id>`, all with the headers x-api-key and x-organization-id; errors are `{"detail"}`.
https://docs.trykintsugi.com

`RATES` has the states where "we" are registered; elsewhere tax is zero and `has_active_registration` false. A ZIP makes
it fail: 00000 is no address (422), 00500 an outage; with 00001 the jurisdictions do not sum to the tax.

Differs from Kintsugi: made-up rates by state instead of rooftops, no products, customers or exemptions, and a tax in
parts of a cent for each item. An `external_id` is taken once (409). The webhook `transaction.created` is signed as
`Kintsugi-Signature: t=...,v1=...`, because Kintsugi's own way is not documented. `GET /transactions` shows all.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, ClassVar

from emulators.vendor import Answered, Fault, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks, timed_signature
from shared import clock

API_KEY = "local-kintsugi-key"
ORGANIZATION = "org_local"
WEBHOOK_SECRET = "local-kintsugi-webhook-secret"  # noqa: S105 - it opens nothing outside this machine
NO_ADDRESS, OUTAGE, DOES_NOT_SUM = "00000", "00500", "00001"
RATES: Mapping[str, Mapping[str, str]] = {
    "CA": {"California": "0.06", "Los Angeles County": "0.0025", "District": "0.0225"},
    "CO": {"Colorado": "0.029", "Denver": "0.0481", "Regional Transportation District": "0.011"},
    "NY": {"New York": "0.04", "New York City": "0.045", "Metropolitan Commuter District": "0.00375"},
    "OR": {},
    "TX": {"Texas": "0.0625", "Austin": "0.01", "Austin MTA": "0.01"},
    "WA": {"Washington": "0.065", "Seattle": "0.0375"},
}
SHIPPING_NOT_TAXED = frozenset({"CA", "OR"})
CENT = Decimal("0.01")


@dataclass
class Transaction:
    """A reported sale or credit note; `related_to` is the sale of a credit note."""

    id: str
    external_id: str
    type: str
    total_amount: Decimal
    tax: Decimal
    related_to: str | None
    asked: Mapping[str, Any]


class TaxStandIn(VendorStandIn):
    """The service. `now` is its clock."""

    handler: ClassVar[type[VendorHandler]]

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        super().__init__(Webhooks("tax", "POST", timed_signature("Kintsugi-Signature", WEBHOOK_SECRET)))
        self.now = now
        self.estimates = 0
        self._transactions: list[Transaction] = []

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the port finds it."""
        return {
            "KINTSUGI_URL": self.url,
            "KINTSUGI_API_KEY": API_KEY,
            "KINTSUGI_ORGANIZATION": ORGANIZATION,
            "KINTSUGI_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }

    def clear(self) -> None:
        """Forget all transactions and faults."""
        with self.lock:
            self.cancel_timers()
            self.forget_faults()
            self.webhooks.clear()
            self._transactions.clear()
            self.estimates = 0

    def transactions(self, external_id: object = None) -> list[Transaction]:
        """Everything that was really reported, or all of it under one of our ids."""
        with self.lock:
            return [each for each in self._transactions if external_id is None or each.external_id == str(external_id)]

    def estimate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Calculate the tax. Raises VendorError."""
        ship_to: Mapping[str, Any] = next(
            (each for each in asked.get("addresses", []) if each.get("type") == "SHIP_TO"), {}
        )
        if not ship_to.get("state") or ship_to.get("postal_code") == NO_ADDRESS or not asked.get("external_id"):
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "addresses")
        with self.lock:
            self.estimates += 1
        state, does_sum = ship_to["state"], ship_to.get("postal_code") != DOES_NOT_SUM
        items = [_taxed(item, state, does_sum=does_sum) for item in asked.get("transaction_items", [])]
        exact = sum((Decimal(item["tax_amount"]) for item in items), Decimal(0))
        taxable = sum((Decimal(item["taxable_amount"]) for item in items), Decimal(0))
        return {
            "external_id": asked["external_id"],
            "date": asked.get("date"),
            "currency": asked.get("currency"),
            "total_tax_amount_calculated": str(exact.quantize(CENT, ROUND_HALF_UP)),
            "taxable_amount": str(taxable),
            "tax_rate_calculated": str(_rate(state)),
            "nexus_met": state in RATES,
            "has_active_registration": state in RATES,
            "transaction_items": items,
        }

    def record(self, asked: Mapping[str, Any], related_to: str | None = None) -> Transaction:
        """Record a sale, or a credit note for one. Raises VendorError."""
        with self.lock:
            if not asked.get("external_id") or asked.get("status") != "COMMITTED":
                raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "external_id")
            if self.transactions(asked["external_id"]):
                raise VendorError(HTTPStatus.CONFLICT, "The transaction exists already.")
            total, tax = _decimal(asked.get("total_amount")), _decimal(asked.get("total_tax_amount_imported"))
            if related_to is not None:
                self._check_credit(related_to, total)
            made = Transaction(
                id=f"txn_{secrets.token_hex(10)}",
                external_id=asked["external_id"],
                type=str(asked.get("type")),
                total_amount=total,
                tax=tax,
                related_to=related_to,
                asked=asked,
            )
            self._transactions.append(made)
            self.webhooks.tell(
                {
                    "id": f"evt_{secrets.token_hex(10)}",
                    "type": "transaction.created",
                    "data": {"id": made.id, "external_id": made.external_id},
                }
            )
            return made

    def find(self, external_id: str) -> Transaction:
        """The transaction. Raises VendorError."""
        found = self.transactions(external_id)
        if not found:
            raise VendorError(HTTPStatus.NOT_FOUND, "Resource not found")
        return found[0]

    def _check_credit(self, related_to: str, total: Decimal) -> None:
        sale = next((each for each in self._transactions if each.id == related_to), None)
        if sale is None or sale.related_to is not None:
            raise VendorError(HTTPStatus.NOT_FOUND, "Resource not found")
        credited = sum(-each.total_amount for each in self._transactions if each.related_to == related_to)
        if total > 0 or credited - total > sale.total_amount:
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "total_amount")


class _TaxHandler(VendorHandler):
    stand_in: TaxStandIn

    def authorised(self) -> bool:
        return (self.headers.get("x-api-key"), self.headers.get("x-organization-id")) == (API_KEY, ORGANIZATION)

    def error_body(self, status: int, code: str) -> Mapping[str, Any]:
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return {"detail": [{"type": "value_error", "loc": ["body", code], "msg": "not valid", "input": None}]}
        return {"detail": code}

    def own_fault(self, asked: Mapping[str, Any]) -> Fault | None:
        zips = {each.get("postal_code") for each in asked.get("addresses", [])}
        return Fault.INTERNAL_ERROR if OUTAGE in zips else None

    def done(self, asked: Mapping[str, Any]) -> Answered:
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("POST", "v1", "tax", "estimate"):
                return HTTPStatus.OK, self.stand_in.estimate(asked)
            case ("POST", "v1", "transactions"):
                return HTTPStatus.CREATED, _shown(self.stand_in.record(asked))
            case ("POST", "v1", "transactions", original, "credit_notes"):
                return HTTPStatus.CREATED, _shown(self.stand_in.record(asked, original))
            case ("GET", "v1", "transactions", "external", external_id):
                return HTTPStatus.OK, _shown(self.stand_in.find(external_id))
        raise VendorError(HTTPStatus.NOT_FOUND, "Not Found")

    def operate(self, raw: bytes) -> None:
        if (self.command, self.target_path) == ("GET", "/transactions"):
            shown = [asdict(each) for each in self.stand_in.transactions()]
            money = {"total_amount", "tax"}
            self.answer_json(
                HTTPStatus.OK, [{name: str(it) if name in money else it for name, it in each.items()} for each in shown]
            )
            return
        super().operate(raw)


TaxStandIn.handler = _TaxHandler


def _taxed(item: Mapping[str, Any], state: str, *, does_sum: bool) -> dict[str, Any]:
    amount = _decimal(item.get("amount"))
    is_taxed = item.get("external_product_id") != "SHIPPING" or state not in SHIPPING_NOT_TAXED
    rates = RATES.get(state, {}) if is_taxed else {}
    taxes = [
        {"name": name, "rate": rate, "amount": str(amount * Decimal(rate)), "exempt": False}
        for name, rate in rates.items()
    ]
    tax = sum((amount * Decimal(rate) for rate in rates.values()), Decimal(0))
    return {
        **item,
        "tax_amount": str(tax),
        "taxable_amount": str(amount if taxes else 0),
        "tax_rate": str(_rate(state)),
        "exempt": False,
        "tax_items": taxes if does_sum else taxes[1:],
    }


def _rate(state: str) -> Decimal:
    return sum(map(Decimal, RATES.get(state, {}).values()), Decimal(0))


def _decimal(said: object) -> Decimal:
    try:
        return Decimal(str(said))
    except InvalidOperation:
        raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "amount") from None


def _shown(made: Transaction) -> dict[str, Any]:
    return {
        "id": made.id,
        "external_id": made.external_id,
        "type": made.type,
        "status": "COMMITTED",
        "total_amount": str(made.total_amount),
        "related_to": made.related_to,
    }
