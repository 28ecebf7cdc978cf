"""Closing an account: what prevents it, and what happens in the transaction that closes it."""

import secrets
from datetime import datetime
from uuid import UUID

from functions.profile import records, store
from functions.profile.models import Obstacle
from functions.profile.rules import AccountCannotBeDeleted
from shared import events
from shared.affiliates import earnings
from shared.affiliates import payouts as affiliate_payouts
from shared.comps import awards, guarantee_claims, totals
from shared.comps.guarantee_claims import Mark
from shared.credentials import fingerprints
from shared.credentials.fingerprints import FingerprintKind
from shared.db import Tx
from shared.events import EraseMember, RemoveAvatar
from shared.members import listeners, usernames
from shared.messages import mails
from shared.messages.mails import Letter

FORFEITABLE = frozenset({"comps", "matches", "shares"})
REASON = "The account was deleted"


def obstacles(tx: Tx, member_id: UUID) -> list[Obstacle]:
    """Everything that prevents the account from being closed."""
    found = records.in_the_way(tx, member_id)
    return [Obstacle(**vars(each), forfeitable=each.kind in FORFEITABLE) for each in found]


def close(tx: Tx, member_id: UUID, *, forfeit: bool, now: datetime) -> None:
    """Close the account: with `forfeit` cancel what is won and not paid; remove the pictures, mail a goodbye, retire
    the names, end sessions and listeners, and queue member_erase. Raises AccountCannotBeDeleted.

    The cart goes first, in the same order as where orders are placed, so that none is placed meanwhile; then the
    guarantee and the totals are locked, in the same order as where comps are awarded. What a week has proposed is
    withdrawn before the obstacles are looked for: a payout that is being asked for is one.
    """
    records.remove_cart(tx, member_id)
    guarantee_claims.observe(tx, member_id, _marks(tx, member_id), now)
    totals.lock(tx, member_id)
    store.lock(tx, member_id)
    affiliate_payouts.withdraw_proposed(tx, member_id, now)
    in_the_way = [found for found in obstacles(tx, member_id) if not (forfeit and found.forfeitable)]
    if in_the_way:
        told = [found.model_dump(exclude={"amount"}) for found in in_the_way]
        raise AccountCannotBeDeleted(obstacles=told)
    _forfeit(tx, member_id, now)
    for avatar_id in store.retire_avatars(tx, member_id, now):
        events.enqueue(tx, now, RemoveAvatar(avatar_id=avatar_id), name=f"avatar-{avatar_id}-remove")
    _say_goodbye(tx, member_id, now)
    usernames.retire(tx, member_id, now)
    records.close(tx, member_id, f"deleted_{secrets.token_hex(10)}", now)
    listeners.revoke(tx, member_id, now)
    events.enqueue(tx, now, EraseMember(member_id=member_id, is_last_look=False), name=f"erase-{member_id}")


def _marks(tx: Tx, member_id: UUID) -> list[Mark]:
    """The marks under which the guarantee stays claimed: the last address and wallet."""
    was = records.addressee(tx, member_id)
    wallet = [Mark(FingerprintKind.WALLET, fingerprints.of_wallet(was.wallet_address))] if was.wallet_address else []
    return [Mark(FingerprintKind.ADDRESS, fingerprints.of_mailbox(was.email)), *wallet]


def _forfeit(tx: Tx, member_id: UUID, now: datetime) -> None:
    affiliate_payouts.give_up_shares(tx, member_id, now)
    for comp_id in records.unpaid_comps(tx, member_id):
        awards.cancel(tx, comp_id, REASON, now)
    for earning_id in records.unpaid_earnings(tx, member_id):
        earning = earnings.lock(tx, earning_id)
        if earning:
            earnings.take_back(tx, earning, now)


def _say_goodbye(tx: Tx, member_id: UUID, now: datetime) -> None:
    was = records.addressee(tx, member_id)
    letter = Letter(
        was.email,
        was.full_name,
        "account_deleted",
        {"name": was.full_name},
        f"deleted:{member_id}",
        member_id=member_id,
    )
    mails.queue(tx, letter, now)
