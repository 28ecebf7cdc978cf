"""Rewards of an account: an operations admin awards a comp, and a treasury admin approves its payout."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import AfterValidator

from functions.admin_wholesale import reward_records, rules, store
from functions.admin_wholesale.common import Operations, api
from functions.admin_wholesale.reward_records import AwardedWholesaleComp, NewComp, ReachedMilestone
from functions.admin_wholesale.store import AdminWholesaleAccount
from shared import settings
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import ConstraintViolated, Tx
from shared.ledger import journals
from shared.messages import feed, notifications, texts
from shared.payouts import interests, machine
from shared.payouts.machine import Promise
from shared.values.fields import Body, Money, Reason, Reply, SixDigits
from shared.values.money import Usdt
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey

TREASURY = "wholesale"
SOURCE = "wholesale_comp"  # the source kind of the payouts; the source id is the comp's id


class WholesaleCompGrant(Body):
    """A comp in USDT, for a milestone that the account has reached or for none. `totp` is a code of the admin's app."""

    amount: Annotated[Money, AfterValidator(rules.comp_amount)]
    milestone_id: UUID | None = None
    reason: Reason
    totp: SixDigits


class WholesaleRewards(Reply):
    """The account's chips now, the milestones that it has reached, and its comps, newest first."""

    chips: int
    milestones: list[ReachedMilestone]
    comps: list[AwardedWholesaleComp]


@api.get("/v1/admin/wholesale/{account_id}/rewards")
def get_wholesale_rewards(tx: Tx, admin: Operations, account_id: UUID) -> WholesaleRewards:
    """Return what an account has earned and was awarded."""
    if store.account(tx, account_id) is None:
        raise NotFound
    return WholesaleRewards(
        chips=reward_records.chips(tx, account_id),
        milestones=reward_records.milestones(tx, account_id),
        comps=reward_records.comps(tx, account_id),
    )


@api.post(
    "/v1/admin/wholesale/{account_id}/comps",
    status=201,
    problems=(
        rules.AccountNotOpen,
        rules.CompAboveValue,
        rules.MilestoneAwarded,
        rules.MilestoneUnknown,
        rules.NoWalletToPay,
        interests.OwnInterest,
        *SECOND_FACTOR,
    ),
)
def award_wholesale_comp(
    tx: Tx,
    admin: Operations,
    key: IdempotencyKey,
    account_id: UUID,
    body: WholesaleCompGrant,
    client: Client,
    now: datetime,
) -> AwardedWholesaleComp:
    """Award an account a comp and ask for its payment to the member's wallet, which waits for a treasury admin."""
    totp.spend(tx, admin.id, body.totp, now)
    account = store.account(tx, account_id)
    if account is None:
        raise NotFound
    interests.require_none_in_member(tx, admin.id, account.member_id)
    _check_value(tx, account_id, body)
    wallet = reward_records.wallet(tx, account.member_id)
    if wallet.address is None or (wallet.rests_until and wallet.rests_until > now):
        raise rules.NoWalletToPay
    comp = NewComp(
        id=uuid4(),
        account_id=account_id,
        milestone_id=body.milestone_id,
        amount=body.amount,
        reason=body.reason,
        awarded_by=admin.id,
    )
    _insert(tx, account, comp, now)
    _promise(tx, account.member_id, comp, wallet.address, now)
    changes = {"comp_id": str(comp.id), "amount": str(comp.amount), "reason": comp.reason}
    audit.record(tx, admin, client, Action("wholesale.comp", "wholesale_account", account_id, changes), now)
    return next(made for made in reward_records.comps(tx, account_id) if made.id == comp.id)


def _check_value(tx: Tx, account_id: UUID, body: WholesaleCompGrant) -> None:
    """Raises MilestoneUnknown, MilestoneAwarded, CompAboveValue."""
    most = settings.load(tx).wholesale.comp_max
    if body.milestone_id:
        reached = {found.id: found for found in reward_records.milestones(tx, account_id)}
        if body.milestone_id not in reached:
            raise rules.MilestoneUnknown
        milestone = reached[body.milestone_id]
        if milestone.comp_id:
            raise rules.MilestoneAwarded(comp_id=str(milestone.comp_id))
        most = milestone.value
    if body.amount > most:
        raise rules.CompAboveValue(maximum=most.decimal)


def _insert(tx: Tx, account: AdminWholesaleAccount, comp: NewComp, now: datetime) -> None:
    """Record the comp. Raises AccountNotOpen, MilestoneAwarded when somebody was first, and CompAboveValue when the
    limit was lowered since these settings were read.
    """
    try:
        with tx.savepoint():
            reward_records.insert_comp(tx, comp, now)
    except ConstraintViolated as refused:
        if refused.constraint == "wholesale_comp_account":
            raise rules.AccountNotOpen(account_status=account.status) from None
        if refused.constraint == "wholesale_comps_milestone_id_key":
            raise rules.MilestoneAwarded(comp_id=None) from None
        if refused.constraint == "wholesale_comp_value":
            settings.forget()
            raise rules.CompAboveValue(maximum=settings.load(tx).wholesale.comp_max.decimal) from None
        raise


def _promise(tx: Tx, member_id: UUID, comp: NewComp, address: str, now: datetime) -> None:
    """Move the comp from the pool to what is owed, have it paid, and tell the member."""
    amount: Usdt = comp.amount
    promise = Promise(
        treasury=TREASURY,
        source_kind=SOURCE,
        source_id=str(comp.id),
        recipient_address=address,
        amount=amount,
        member_id=member_id,
        scope="wholesale_comps",
        idempotency_key=str(comp.id),
        requested_by=comp.awarded_by,
    )
    machine.request(tx, promise, now)
    data = {"wholesale_comp_id": str(comp.id)}
    ref = f"wholesale-comp:{comp.id}"
    notifications.notify(tx, notifications.note(member_id, "wholesale_comp_awarded", data, ref, amount=amount), now)
    feed.publish(tx, "wholesale_comp_awarded", texts.say("wholesale_awarded", amount=amount), amount, ref, now=now)
    journals.move(tx, ref, f"pool:{TREASURY}", f"owed:{TREASURY}", amount, now=now)
