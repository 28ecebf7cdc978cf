"""HTTP: hear from our vendors that something has happened (docs/shop.md, "Webhooks").

A message is a wake-up and never the truth: its signature is checked, it is kept once, it is answered, and a task asks
the vendor what has happened. Twice, late, in another order or lost, it comes to the same end. The mail provider's
messages are believed: a wrong one only stops mails, which people can undo.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from flask import Request, Response

from functions.webhooks import rules, store
from functions.webhooks.rules import BANK_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, Message, SignatureNotValid
from shared.api import Api
from shared.auth import Vendor
from shared.banks import enrollments
from shared.db import Tx
from shared.messages import suppressions
from shared.orders import tasks
from shared.ports import (
    age_notices,
    card_notices,
    mail_notices,
    tax_notices,
    teller_notices,
    vendors,
    warehouse_notices,
)
from shared.ports.card_notices import CardNotice
from shared.ports.mail_notices import MailNotice
from shared.ports.tax_notices import TaxNotice
from shared.ports.teller_notices import BankNotice
from shared.ports.warehouse_notices import WarehouseNotice
from shared.values.fields import Reply
from shared.web.http import RawRequest

Told = TypeVar("Told")

api = Api("webhooks")


def webhooks(request: Request) -> Response:
    return api.handle(request)


class Heard(Reply):
    """Confirms that the message is kept; the field is always true, also for a message that came before."""

    received: bool


@dataclass(frozen=True)
class AgeNotice:
    """A verified message of AgeChecker, which names the check but has no id of its own."""

    event_id: str
    reference: str


def verify_card(message: RawRequest) -> CardNotice:
    """Check the signature of the card's provider, at most five minutes old. Raises SignatureNotValid."""
    return _verified(card_notices.notice, message)


def verify_agechecker(message: RawRequest) -> AgeNotice:
    """Check AgeChecker's signature, which has no time: it can be replayed. Raises SignatureNotValid."""
    reference = _verified(age_notices.notice, message)
    return AgeNotice(vendors.event_id({}, message.data), reference)


def verify_selery(message: RawRequest) -> WarehouseNotice:
    """Check the warehouse's signature, at most five minutes old. Raises SignatureNotValid."""
    return _verified(warehouse_notices.notice, message)


def verify_brevo(message: RawRequest) -> MailNotice:
    """Check the token of the mail provider, which signs nothing. Raises SignatureNotValid."""
    return _verified(mail_notices.notice, message)


def verify_kintsugi(message: RawRequest) -> TaxNotice:
    """Check the tax service's signature, at most five minutes old. Raises SignatureNotValid."""
    return _verified(tax_notices.notice, message)


def verify_teller(message: RawRequest) -> BankNotice:
    """Check Teller's signature, at most three minutes old. Raises SignatureNotValid."""
    return _verified(teller_notices.notice, message)


@api.post(
    "/v1/webhooks/payments/card",
    before=verify_card,
    body_bytes_max=MESSAGE_BYTES_MAX,
    problems=(SignatureNotValid,),
)
def hear_card(tx: Tx, vendor: Vendor, notice: CardNotice, now: datetime) -> Heard:
    """Keep a message of the card's provider, and have the operation or the dispute that it names looked up."""
    wake_up = _kept(tx, Message("card", notice.event_id, notice.dispute or str(notice.key or notice.kind)), now)
    if wake_up and notice.dispute:
        tasks.look_at_dispute_soon(tx, notice.dispute, now, name=wake_up)
    elif wake_up and notice.key and store.is_operation(tx, notice.key):
        tasks.ask_soon(tx, notice.key, now, name=wake_up)
    return Heard(received=True)


@api.put(
    "/v1/webhooks/agechecker",
    before=verify_agechecker,
    body_bytes_max=MESSAGE_BYTES_MAX,
    problems=(SignatureNotValid,),
)
def hear_agechecker(tx: Tx, vendor: Vendor, notice: AgeNotice, now: datetime) -> Heard:
    """Keep a message of AgeChecker, and take the orders further that wait for the check that it names."""
    wake_up = _kept(tx, Message("agechecker", notice.event_id, notice.reference), now)
    if wake_up:
        for order_id in store.waiting_for(tx, notice.reference):
            tasks.advance_soon(tx, order_id, now, name=f"{wake_up}-{order_id}")
    return Heard(received=True)


@api.post(
    "/v1/webhooks/selery",
    before=verify_selery,
    body_bytes_max=MESSAGE_BYTES_MAX,
    problems=(SignatureNotValid,),
)
def hear_selery(tx: Tx, vendor: Vendor, notice: WarehouseNotice, now: datetime) -> Heard:
    """Keep a message of the warehouse, and have the fulfilment that it names looked up."""
    wake_up = _kept(tx, Message("selery", notice.event_id, str(notice.fulfilment_id or notice.kind)), now)
    if wake_up and notice.fulfilment_id and store.is_fulfilment(tx, notice.fulfilment_id):
        tasks.fulfil_soon(tx, notice.fulfilment_id, now, name=wake_up)
    if wake_up and notice.fulfilment_id is None:
        tasks.count_soon(tx, now, name=wake_up)
    return Heard(received=True)


@api.post(
    "/v1/webhooks/kintsugi",
    before=verify_kintsugi,
    body_bytes_max=MESSAGE_BYTES_MAX,
    problems=(SignatureNotValid,),
)
def hear_kintsugi(tx: Tx, vendor: Vendor, notice: TaxNotice, now: datetime) -> Heard:
    """Keep a message of the tax service, and have the sale or refund looked up that it names."""
    wake_up = _kept(tx, Message("kintsugi", notice.event_id, str(notice.transaction_id or notice.kind)), now)
    if wake_up and notice.transaction_id and store.is_tax_report(tx, notice.transaction_id):
        tasks.report_tax_soon(tx, notice.transaction_id, now, name=wake_up)
    return Heard(received=True)


@api.post(
    "/v1/webhooks/teller",
    before=verify_teller,
    body_bytes_max=BANK_MESSAGE_BYTES_MAX,
    problems=(SignatureNotValid,),
)
def hear_teller(tx: Tx, vendor: Vendor, notice: BankNotice, now: datetime) -> Heard:
    """Keep a message of Teller, and have the bank tried that it names."""
    wake_up = _kept(tx, Message("teller", notice.event_id, notice.enrollment_id or notice.kind), now)
    if wake_up and notice.enrollment_id:
        for bank_id in store.banks_of(tx, notice.enrollment_id):
            enrollments.sync_soon(tx, bank_id, now, name=f"{wake_up}-{bank_id}")
    return Heard(received=True)


@api.post(
    "/v1/webhooks/brevo",
    before=verify_brevo,
    body_bytes_max=MESSAGE_BYTES_MAX,
    problems=(SignatureNotValid,),
)
def hear_brevo(tx: Tx, vendor: Vendor, notice: MailNotice, now: datetime) -> Heard:
    """Keep a message of the mail provider, and send nothing more to an address that has bounced, and no campaigns to
    one whose owner has complained or unsubscribed there.
    """
    is_first = store.keep(tx, Message("brevo", notice.event_id, notice.kind), now)
    if is_first and notice.email and (outcome := rules.SUPPRESSED_BY.get(notice.kind)):
        scope, reason = outcome
        suppressions.suppress(tx, notice.email, scope, reason, now)
    return Heard(received=True)


def _verified(notice: Callable[..., Told], message: RawRequest) -> Told:
    """Have a port check the message's signature, and read it. Raises SignatureNotValid."""
    try:
        return notice(message.headers, message.data)
    except vendors.SignatureNotValid:
        raise SignatureNotValid from None


def _kept(tx: Tx, message: Message, now: datetime) -> str | None:
    """Keep the message if it is new; returns the name of the wake-up that it causes, if it causes one."""
    is_first = store.keep(tx, message, now)
    return rules.wake_up(message, now if is_first else store.first_at(tx, message), now, is_first=is_first)
