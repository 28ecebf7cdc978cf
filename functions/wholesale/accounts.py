"""Operations on a member's wholesale account: applying for it, seeing it, and its prices."""

from datetime import datetime
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator

from functions.wholesale import reward_store, rules, store
from functions.wholesale.common import BusinessAddress, Typed, WholesaleAddress, api
from functions.wholesale.reward_store import (
    ChipsRow,
    WholesaleChips,
    WholesaleComp,
    WholesaleMilestone,
    WholesaleTotals,
)
from functions.wholesale.store import Business
from shared import settings
from shared.auth import Claims, Member
from shared.credentials import vault
from shared.db import ConstraintViolated, Tx
from shared.orders.states import wholesale_number_shown
from shared.values.contacts import NewEmailAddress
from shared.values.fields import Body, Listing, Money, Page, Reply, Text
from shared.values.goods import Availability, availability
from shared.values.states import WholesaleStatus
from shared.values.wholesale import may_apply_at, row_of
from shared.web import paging
from shared.web.paging import Position
from shared.web.quotas import Limit, Quota

LAST_DIGITS = 4


class WholesaleApplication(Body):
    """The business that applies. `tax_id` is its employer identification number, which is stored encrypted."""

    company_name: Text
    contact_name: Text
    email: NewEmailAddress
    phone: Annotated[str, Typed, AfterValidator(rules.phone_number)] | None = None
    business_address: BusinessAddress
    tax_id: Annotated[str, Typed, AfterValidator(rules.ein)]


class WholesaleAccount(Reply):
    """The member's own account; of the tax id only its last digits are shown. `may_apply_at` is null unless it was
    rejected.
    """

    number: str
    status: WholesaleStatus
    company_name: str
    contact_name: str
    email: str
    phone: str | None
    business_address: WholesaleAddress
    tax_id_last4: str
    applied_at: datetime
    decided_at: datetime | None
    may_apply_at: datetime | None
    activated_at: datetime | None
    totals: WholesaleTotals
    milestones: list[WholesaleMilestone]
    comps: list[WholesaleComp]


class WholesaleProduct(Reply):
    """A product; `price` is in USD for a tin. An order has at least `tins_min` tins of it, in steps of `tins_step`."""

    sku: str
    name: str
    flavor: str
    strength_mg: int
    price: Money
    tins_min: int
    tins_step: int
    availability: Availability
    on_sale: bool
    picture: str | None


def limit_applications(claims: Claims) -> Limit:
    """Limit applications, because each that is refused tells whether an e-mail address has an account."""
    return Limit([Quota(f"wholesale-apply:{claims.member_id}", rules.APPLICATIONS_PER_HOUR)], rules.TooManyApplications)


@api.post(
    "/v1/wholesale/apply",
    status=201,
    limit=limit_applications,
    problems=(
        rules.ApplicationTooSoon,
        rules.BusinessEmailTaken,
        rules.TooManyApplications,
        rules.WholesaleAppliedBefore,
    ),
)
def apply_for_wholesale(tx: Tx, member: Member, body: WholesaleApplication, now: datetime) -> WholesaleAccount:
    """Apply for a wholesale account. A member has one; who was rejected may apply again after 30 days."""
    store.lock(tx, member.id)
    before = store.account(tx, member.id)
    if before:
        rules.check_again(before.status, before.decided_at, now)
    account_id = before.id if before else uuid4()
    said = Business(
        company_name=body.company_name,
        contact_name=body.contact_name,
        email=body.email,
        phone=body.phone,
        business_address=body.business_address.model_dump(),
        tax_id=vault.seal(tx, body.tax_id.encode(), row_of(account_id)),
        tax_id_last4=body.tax_id[-LAST_DIGITS:],
    )
    try:
        if before:
            store.apply_again(tx, account_id, said, now)
        else:
            store.insert(tx, account_id, member.id, said, now)
    except ConstraintViolated as refused:
        if refused.constraint == "wholesale_accounts_member_id_key":  # recorded meanwhile
            raise rules.WholesaleAppliedBefore(account_status=WholesaleStatus.PENDING) from None
        if refused.constraint == "wholesale_accounts_email":
            raise rules.BusinessEmailTaken from None
        raise
    return _shown(tx, member)


@api.get("/v1/wholesale/account", problems=(rules.NotAppliedFor,))
def get_wholesale_account(tx: Tx, member: Member) -> WholesaleAccount:
    """Return the member's account, or the application for it."""
    return _shown(tx, member)


@api.get("/v1/wholesale/chips")
def list_wholesale_chips(tx: Tx, member: Member, page: Page) -> Listing[WholesaleChips]:
    """List what orders have brought the member's account in chips, and what refunds took back, newest first."""
    rows = reward_store.chips(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.earned_at, row.id))
    return Listing[WholesaleChips](items=[_chips(row) for row in shown], next_cursor=cursor)


@api.get("/v1/wholesale/products", problems=(rules.AccountNotApproved,))
def list_wholesale_products(tx: Tx, member: Member) -> Listing[WholesaleProduct]:
    """List all products on one page, by flavor and strength, at the price of approved accounts."""
    rules.check_may_order(store.status(tx, member.id))
    known = settings.load(tx)
    shown = [
        WholesaleProduct(
            sku=row.sku,
            name=row.name,
            flavor=row.flavor,
            strength_mg=row.strength_mg,
            price=known.wholesale.price,
            tins_min=known.wholesale.tins_min,
            tins_step=known.wholesale.tins_step,
            availability=availability(row.sellable, known.shop.low_below),
            on_sale=row.on_sale,
            picture=row.picture,
        )
        for row in store.products(tx)
    ]
    return Listing[WholesaleProduct](items=shown, next_cursor=None)


def _shown(tx: Tx, member: Member) -> WholesaleAccount:
    """The member's account. Raises NotAppliedFor."""
    found = store.account(tx, member.id)
    if found is None:
        raise rules.NotAppliedFor
    return WholesaleAccount(
        number=found.number,
        status=WholesaleStatus(found.status),
        company_name=found.company_name,
        contact_name=found.contact_name,
        email=found.email,
        phone=found.phone,
        business_address=WholesaleAddress(**found.business_address),
        tax_id_last4=found.tax_id_last4,
        applied_at=found.applied_at,
        decided_at=found.decided_at,
        may_apply_at=may_apply_at(found.status, found.decided_at),
        activated_at=found.activated_at,
        totals=reward_store.totals(tx, found.id),
        milestones=reward_store.milestones(tx, found.id),
        comps=reward_store.comps(tx, found.id),
    )


def _chips(row: ChipsRow) -> WholesaleChips:
    return WholesaleChips(
        id=row.id,
        order_id=row.order_id,
        order_number=wholesale_number_shown(row.number, row.placed_at),
        chips=row.chips,
        is_refund=row.is_refund,
        earned_at=row.earned_at,
    )
