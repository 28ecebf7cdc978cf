"""HTTP: the member's own wallet: link it, look at it, and see what came in and went out."""

from datetime import datetime, timedelta
from uuid import UUID

from functions.wallet import common, linking, look, proving, rules, store
from functions.wallet.common import SECOND_FACTOR, api
from functions.wallet.look import Glance
from functions.wallet.models import (
    NETWORK,
    HistoryPage,
    WalletTransaction,
    WalletView,
)
from functions.wallet.rules import (
    WalletAddressNotValid,
    WalletChallengeNotValid,
    WalletLinkedElsewhere,
    WalletSignatureNotValid,
)
from shared.auth import Member
from shared.credentials.recent_sign_in import SignInAgain
from shared.db import Tx
from shared.values.fields import Listing
from shared.values.money import Usdt
from shared.values.polygon import address_page, transaction_page
from shared.web import paging
from shared.web.paging import Position

BALANCE_STALE = timedelta(minutes=1)
TYPES = {
    "all": ["comp_deposit", "affiliate_deposit", "external_deposit", "withdrawal", "oobit_spend"],
    "deposits": ["comp_deposit", "affiliate_deposit", "external_deposit"],
    "withdrawals": ["withdrawal", "oobit_spend"],
}
INCOMING = frozenset(TYPES["deposits"])

api.post("/v1/wallet/challenge", status=201, problems=(WalletAddressNotValid,))(linking.challenge)
api.post(
    "/v1/wallet/link",
    before=proving.by_id_token,
    problems=(
        WalletAddressNotValid,
        WalletChallengeNotValid,
        rules.WalletKeyMissing,
        WalletLinkedElsewhere,
        rules.WalletProviderUnavailable,
        WalletSignatureNotValid,
        rules.WalletTokenNotValid,
        rules.WalletTokenTooOld,
        rules.WalletTokenUsed,
        SignInAgain,
        *SECOND_FACTOR,
    ),
)(linking.link)


@api.get("/v1/users/me/wallet", before=look.at_wallet, problems=(rules.WalletNotLinked,))
def get_wallet(tx: Tx, member: Member, seen: Glance, now: datetime) -> WalletView:
    """Return the wallet with its balance from the chain, and the comps that are pending."""
    account = common.account(tx, member.id)
    known = _known_balance(tx, member.id, account.address, seen, now)
    return WalletView(
        address=account.address,
        network=NETWORK,
        chain_id=account.chain_id,
        token_address=account.token_address,
        balance=known.balance if known else None,
        block_number=known.block_number if known else None,
        as_of=known.as_of if known else None,
        is_current=known is not None and known.as_of == now,
        pending_comps=store.pending_comps(tx, member.id),
        comps_rest_until=account.rests_until if account.rests_until and account.rests_until > now else None,
        explorer_url=address_page(account.address),
    )


@api.get("/v1/transactions")
def list_transactions(tx: Tx, member: Member, page: HistoryPage) -> Listing[WalletTransaction]:
    """List what came into the wallet and what went out, newest first."""
    rows = store.history(tx, member.id, TYPES[page.filter], paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[WalletTransaction](items=[_movement(row) for row in shown], next_cursor=cursor)


def _known_balance(tx: Tx, member_id: UUID, address: str, seen: Glance, now: datetime) -> store.KnownBalance | None:
    """The balance just read from the chain, else the last one known."""
    if seen.balance is None or seen.address != address:
        return store.known_balance(tx, member_id, address)
    known = store.KnownBalance(Usdt(seen.balance.amount_micro), seen.balance.block_number, now)
    store.remember_balance(tx, member_id, address, known, now - BALANCE_STALE)
    return known


def _movement(row: store.Movement) -> WalletTransaction:
    return WalletTransaction.model_validate(
        vars(row)
        | {
            "direction": "in" if row.type in INCOMING else "out",
            "network": NETWORK,
            "explorer_url": transaction_page(row.transaction_hash) if row.transaction_hash else None,
        }
    )
