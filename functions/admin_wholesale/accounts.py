"""Applications for wholesale accounts, and what is decided about them (docs/product.md, "Shop")."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from functions.admin_wholesale import rules, store, telling
from functions.admin_wholesale.common import Operations, api
from functions.admin_wholesale.rules import Standing, Verb
from functions.admin_wholesale.store import AdminWholesaleAccount
from shared.auth import Admin
from shared.credentials import vault
from shared.db import Tx
from shared.payouts import interests
from shared.values.fields import Body, Listing, Page, Reason, Reply
from shared.values.problems import NotFound
from shared.values.states import WholesaleStatus
from shared.values.wholesale import row_of
from shared.web import audit, paging, quotas
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position
from shared.web.quotas import Limit, Quota


class WholesaleFilter(Page):
    """A page of accounts, of one status and of one member if given."""

    status: WholesaleStatus | None = None
    member_id: UUID | None = None


class WholesaleDecision(Body):
    """The decision about an application; the reason is kept, and not told to the member."""

    decision: Literal["approve", "reject"]
    reason: Reason


class WholesaleSuspension(Body):
    """The reason for the suspension; it is kept, and not told to the member."""

    reason: Reason


class WholesaleActivation(Body):
    """The reason for the activation; it is kept, and not told to the member."""

    reason: Reason


class TaxIdRequest(Body):
    """Why somebody has to see the tax id; the audit log keeps it."""

    reason: Reason


class WholesaleTaxId(Reply):
    """The whole tax id of a business, as 12-3456789."""

    tax_id: str


@api.get("/v1/admin/wholesale/applications")
def list_wholesale_applications(tx: Tx, admin: Operations, page: WholesaleFilter) -> Listing[AdminWholesaleAccount]:
    """List accounts, the newest application first."""
    rows = store.accounts(
        tx, status=page.status, member_id=page.member_id, after=paging.after(page.cursor), limit=page.limit + 1
    )
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.applied_at, row.id))
    return Listing[AdminWholesaleAccount](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/wholesale/{account_id}")
def get_wholesale_application(tx: Tx, admin: Operations, account_id: UUID) -> AdminWholesaleAccount:
    """Return an account with its last decision."""
    return _found(tx, account_id)


@api.put(
    "/v1/admin/wholesale/{account_id}/approve",
    problems=(rules.ApplicationNotPending, rules.ApplicantNotActive, interests.OwnInterest),
)
def decide_wholesale_application(
    tx: Tx, admin: Operations, account_id: UUID, body: WholesaleDecision, client: Client, now: datetime
) -> AdminWholesaleAccount:
    """Approve or reject an application that waits, and tell the member."""
    return _decided(tx, admin, account_id, body.decision, reason=body.reason, client=client, now=now)


@api.post(
    "/v1/admin/wholesale/{account_id}/suspend",
    problems=(rules.AccountNotOpen, interests.OwnInterest),
)
def suspend_wholesale_account(
    tx: Tx, admin: Operations, account_id: UUID, body: WholesaleSuspension, client: Client, now: datetime
) -> AdminWholesaleAccount:
    """Suspend an account, which can order nothing from then on, and tell the member."""
    return _decided(tx, admin, account_id, "suspend", reason=body.reason, client=client, now=now)


@api.post(
    "/v1/admin/wholesale/{account_id}/activate",
    problems=(rules.AccountNotSuspended, rules.ApplicantNotActive, interests.OwnInterest),
)
def activate_wholesale_account(
    tx: Tx, admin: Operations, account_id: UUID, body: WholesaleActivation, client: Client, now: datetime
) -> AdminWholesaleAccount:
    """Make a suspended account again what it was before, and tell the member."""
    return _decided(tx, admin, account_id, "activate", reason=body.reason, client=client, now=now)


@api.post(
    "/v1/admin/wholesale/{account_id}/tax-id",
    problems=(rules.TaxIdErased, rules.TooManyTaxIdsShown),
    secret_reply=True,
)
def show_wholesale_tax_id(
    tx: Tx, admin: Operations, account_id: UUID, body: TaxIdRequest, client: Client, now: datetime
) -> WholesaleTaxId:
    """Show the whole tax id, to compare it with a register. Who looks, and why, is in the audit log; so many within an
    hour are shown to one admin that nobody copies them all.
    """
    found = _found(tx, account_id)
    sealed = store.sealed_tax_id(tx, account_id)
    if sealed is None:
        raise rules.TaxIdErased
    shown = Quota(f"tax-ids:{admin.id}", rules.TAX_IDS_PER_HOUR)
    quotas.spend_within(tx, Limit([shown], rules.TooManyTaxIdsShown), now)
    digits = vault.unseal(tx, sealed, row_of(account_id)).decode()
    changes = {"number": found.number, "reason": body.reason}
    audit.record(tx, admin, client, Action("wholesale.tax_id", "wholesale_account", account_id, changes), now)
    return WholesaleTaxId(tax_id=f"{digits[:2]}-{digits[2:]}")


def _decided(
    tx: Tx, admin: Admin, account_id: UUID, verb: Verb, *, reason: str, client: Client, now: datetime
) -> AdminWholesaleAccount:
    """Decide about an account, and return it as it is then. Raises NotFound, OwnInterest, and what `rules` raises."""
    store.lock(tx, account_id)
    before = _found(tx, account_id)
    interests.require_none_in_member(tx, admin.id, before.member_id)
    status = rules.status_after(verb, Standing(before.status, before.member_status, before.activated_at))
    store.decide(tx, account_id, status, decided_by=admin.id, reason=reason, now=now)
    changes = {"before": before.status, "after": status, "reason": reason}
    audit.record(tx, admin, client, Action(f"wholesale.{verb}", "wholesale_account", account_id, changes), now)
    telling.tell(tx, verb, before, now)
    return _found(tx, account_id)


def _found(tx: Tx, account_id: UUID) -> AdminWholesaleAccount:
    """The account. Raises NotFound."""
    found = store.account(tx, account_id)
    if found is None:
        raise NotFound
    return found
