"""Reads what decides about the orders of a group, with their carts and doors locked."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from functions.orders import buyer_records, drafts
from functions.orders.drafts import Draft
from functions.orders.judge import Candidate
from functions.orders.models import OrderRequest
from shared.auth import Member
from shared.credentials import fingerprints
from shared.db import Tx
from shared.orders import carts, tax_quotes
from shared.orders.carts import Item
from shared.orders.tax_quotes import Inquiry
from shared.values.settings import ShopSettings
from shared.web.signatures import AskedPrepared

OrderAsked = AskedPrepared[Member, OrderRequest, Inquiry]


def read(tx: Tx, group: Sequence[OrderAsked], terms: ShopSettings, now: datetime) -> list[Candidate]:
    """The requests of a group as candidates, in their order."""
    members = {asked.caller.id for asked in group}
    found = _drafts(tx, group, terms)
    named = [(asked.caller.id, asked.body.cart_id) for asked in group]
    ordered = buyer_records.orders_of_carts(
        tx, {name for name, draft in zip(named, found, strict=True) if draft is None}
    )
    bases = [
        (asked.caller.id, draft.question.basis) if draft and draft.can_be_ordered else None
        for asked, draft in zip(group, found, strict=True)
    ]
    quotes = tax_quotes.find_many(tx, {basis for basis in bases if basis}, now)
    quoted = [quotes.get(basis) if basis else None for basis in bases]
    doors = [
        fingerprints.of_doorstep(draft.address.doorstep) if draft and quote else None
        for draft, quote in zip(found, quoted, strict=True)
    ]
    buyer_records.lock_doors(tx, {door for door in doors if door})
    people = buyer_records.read(tx, members, now)
    return [
        Candidate(
            buyer=people[asked.caller.id],
            body=asked.body,
            inquiry=asked.prepared,
            draft=draft,
            ordered_as=ordered.get(name),
            quote=quote,
            doorstep=door,
        )
        for asked, draft, name, quote, door in zip(group, found, named, quoted, doors, strict=True)
    ]


def _drafts(tx: Tx, group: Sequence[OrderAsked], terms: ShopSettings) -> list[Draft | None]:
    """The drafts of the open carts; None where there is none, or another one than the request names."""
    open_carts = buyer_records.lock_carts(tx, {asked.caller.id for asked in group})
    items = _by_cart(carts.items(tx, [cart.id for cart in open_carts.values()]))
    return [
        drafts.made(cart, items.get(cart.id, []), terms, asked.body.shipping_address)
        if (cart := open_carts.get(asked.caller.id)) and asked.body.cart_id in (None, cart.id)
        else None
        for asked in group
    ]


def _by_cart(items: Sequence[Item]) -> dict[UUID, list[Item]]:
    by_cart = sorted(items, key=lambda item: item.cart_id)  # the order within each cart stays
    return {cart_id: list(found) for cart_id, found in groupby(by_cart, lambda item: item.cart_id)}
