"""HTTP: transfers out of the member's own wallet: we prepare one, the wallet signs it, we send what was signed
(docs/withdrawals.md).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.wallet import common, look, rules, signing, store
from functions.wallet.common import SECOND_FACTOR, Account, api
from functions.wallet.look import Ahead
from functions.wallet.models import (
    NETWORK,
    OrderTransfer,
    SentWithdrawal,
    SignedWithdrawal,
    UnsignedTransaction,
    Withdrawal,
    WithdrawalOrder,
)
from shared import withdrawals
from shared.auth import Claims, Member
from shared.credentials import totp
from shared.db import ConstraintViolated, Tx
from shared.ports.polygon import ethereum
from shared.ports.polygon.eip1559 import EIP_1559
from shared.ports.polygon.wallets import Outlook, SentTransaction
from shared.values import gas
from shared.values.fields import Listing, Page
from shared.values.gas import Fees
from shared.values.money import MICRO_MAX, Usdt
from shared.values.polygon import transaction_page
from shared.values.problems import NotFound, Problem
from shared.web import paging
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position
from shared.web.quotas import Limit, Quota
from shared.withdrawals import State, Terms


@dataclass(frozen=True)
class Transfer:
    """A transfer that is to be prepared, and the payment of an order that it is for."""

    recipient: str
    amount: Usdt
    payment_id: UUID | None = None


def limit_withdrawals(claims: Claims) -> Limit:
    """Limit the tries to withdraw: each asks the nodes, whatever its outcome."""
    return Limit([Quota(f"withdraw:{claims.member_id}", rules.WITHDRAWALS_PER_HOUR)], rules.TooManyWithdrawals)


@api.post(
    "/v1/wallet/withdraw",
    status=201,
    limit=limit_withdrawals,
    before=look.at_transfer,
    problems=(
        rules.AmountNotPositive,
        rules.AmountTooLarge,
        rules.AmountTooPrecise,
        rules.BalanceTooLow,
        rules.ChainUnavailable,
        rules.GasTooLow,
        rules.RecipientBlocked,
        rules.RecipientChecksumWrong,
        rules.RecipientIsNobody,
        rules.RecipientIsPlatform,
        rules.RecipientIsToken,
        rules.RecipientIsYourself,
        rules.TooManyWithdrawals,
        rules.WalletBlocked,
        rules.WalletNotLinked,
        rules.WithdrawalUnderWay,
        *SECOND_FACTOR,
    ),
)
def withdraw(
    tx: Tx, member: Member, key: IdempotencyKey, body: WithdrawalOrder, ahead: Ahead, now: datetime
) -> Withdrawal:
    """Prepare a transfer of USDT out of the wallet, for the wallet to sign. Nothing is sent yet."""
    totp.spend_if_set_up(tx, member.id, body.code, now)
    account = common.account(tx, member.id)
    amount = rules.amount(body.amount)
    if not ethereum.checksum_fits(body.to_address):
        raise rules.RecipientChecksumWrong
    is_treasury = store.is_treasury(tx, body.to_address)
    rules.check_recipient(body.to_address, account.address, account.token_address, is_treasury=is_treasury)
    identity = _prepare(tx, member.id, account, Transfer(body.to_address, amount), ahead, now=now)
    return _shown(_own(tx, member, identity))


@api.post(
    "/v1/wallet/order-payments",
    status=201,
    limit=limit_withdrawals,
    before=look.at_order,
    problems=(
        rules.BalanceTooLow,
        rules.ChainUnavailable,
        rules.GasTooLow,
        rules.RecipientBlocked,
        rules.TooManyWithdrawals,
        rules.UsdtNotAwaited,
        rules.WalletBlocked,
        rules.WalletNotLinked,
        rules.WithdrawalUnderWay,
        *SECOND_FACTOR,
    ),
)
def prepare_order_payment(
    tx: Tx, member: Member, key: IdempotencyKey, body: OrderTransfer, ahead: Ahead, now: datetime
) -> Withdrawal:
    """Prepare the transfer of USDT that pays an order, for the wallet to sign; from then on it is a withdrawal like any
    other. What has come for the order already is left out.
    """
    totp.spend_if_set_up(tx, member.id, body.code, now)
    account = common.account(tx, member.id)
    asked = store.awaited(tx, member.id, body.order_id)
    if asked is None:
        raise rules.UsdtNotAwaited
    identity = _prepare(
        tx, member.id, account, Transfer(asked.address, asked.missing, asked.payment_id), ahead, now=now
    )
    return _shown(_own(tx, member, identity))


@api.get("/v1/wallet/withdrawals")
def list_withdrawals(tx: Tx, member: Member, page: Page) -> Listing[Withdrawal]:
    """List every withdrawal that was prepared, newest first."""
    rows = store.withdrawals(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.prepared_at, row.id))
    return Listing[Withdrawal](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.get("/v1/wallet/withdrawals/{withdrawal_id}")
def get_withdrawal(tx: Tx, member: Member, withdrawal_id: UUID) -> Withdrawal:
    """Return one of the member's withdrawals."""
    return _shown(_own(tx, member, withdrawal_id))


@api.post(
    "/v1/wallet/withdrawals/{withdrawal_id}/broadcast",
    status=202,
    problems=(
        rules.SignedByAnotherKey,
        rules.SignedForAnotherChain,
        rules.SignedTransactionDiffers,
        rules.SignedTransactionNotReadable,
        rules.WalletChanged,
        rules.WalletNotLinked,
        rules.WithdrawalClosed,
        rules.WithdrawalSigned,
    ),
)
def broadcast_withdrawal(
    tx: Tx, member: Member, key: IdempotencyKey, withdrawal_id: UUID, body: SignedWithdrawal, now: datetime
) -> Withdrawal | Problem:
    """Hand in the signed transaction: it is compared with the prepared one, stored, and then sent until it is final."""
    found = _own(tx, member, withdrawal_id)
    raw = bytes.fromhex(body.signed_transaction[2:])
    if found.transaction_hash is not None:
        if found.raw != raw:
            raise rules.WithdrawalSigned
        return _shown(found)
    if found.state is State.PREPARED and found.expires_at <= now:
        withdrawals.give_up_unsigned(tx, found, State.EXPIRED, now)
        return rules.WithdrawalClosed()
    if found.state is not State.PREPARED:
        raise rules.WithdrawalClosed
    if common.account(tx, member.id).address != found.from_address:
        raise rules.WalletChanged
    signed = signing.checked(found, raw)
    withdrawals.keep_signature(tx, found, raw, signed.hash, now)
    return _shown(_own(tx, member, withdrawal_id))


@api.post(
    "/v1/wallet/withdrawals/{withdrawal_id}/sent",
    status=202,
    before=look.at_sent,
    problems=(
        rules.ChainUnavailable,
        rules.SignedByAnotherKey,
        rules.SignedForAnotherChain,
        rules.SignedTransactionDiffers,
        rules.TransactionNotSeen,
        rules.WithdrawalSigned,
        rules.WithdrawalUnderWay,
    ),
)
def follow_sent_withdrawal(
    tx: Tx,
    member: Member,
    key: IdempotencyKey,
    withdrawal_id: UUID,
    body: SentWithdrawal,
    sent: SentTransaction,
    now: datetime,
) -> Withdrawal:
    """Follow a withdrawal of a wallet that can only sign and send at once: its transaction is compared with the
    prepared one and followed until it is final.
    """
    found = _own(tx, member, withdrawal_id)
    if found.transaction_hash is not None:
        if found.transaction_hash != body.transaction_hash:
            raise rules.WithdrawalSigned
        return _shown(found)
    signing.check_sent(found, sent)
    _keep_sent(tx, found, body.transaction_hash, now)
    return _shown(_own(tx, member, withdrawal_id))


@api.post("/v1/wallet/withdrawals/{withdrawal_id}/cancel", problems=(rules.WithdrawalSigned,))
def cancel_withdrawal(tx: Tx, member: Member, withdrawal_id: UUID, now: datetime) -> Withdrawal:
    """Cancel a withdrawal that is not signed; harmless twice. A signed one cannot be cancelled."""
    found = _own(tx, member, withdrawal_id)
    if found.transaction_hash is not None:
        raise rules.WithdrawalSigned
    if found.state is State.PREPARED:
        withdrawals.give_up_unsigned(tx, found, State.CANCELLED, now)
    return _shown(_own(tx, member, withdrawal_id))


def _prepare(tx: Tx, member_id: UUID, account: Account, wanted: Transfer, ahead: Ahead, *, now: datetime) -> UUID:
    """Store the preparation; returns its id. Raises WithdrawalUnderWay, ChainUnavailable, and what `_terms` raises."""
    withdrawals.expire(tx, now, 1, account.address)
    if under_way := store.open_withdrawal(tx, account.address):
        raise rules.WithdrawalUnderWay(withdrawal_id=str(under_way))
    if ahead.outlook is None or ahead.address != account.address:
        raise rules.ChainUnavailable
    terms = _terms(account, ethereum.checksummed(wanted.recipient), wanted.amount, ahead.outlook)
    identity = withdrawals.prepare(tx, member_id, terms, now, wanted.payment_id)
    if identity is None:
        raise rules.WithdrawalUnderWay(withdrawal_id=str(store.open_withdrawal(tx, account.address)))
    return identity


def _terms(account: Account, recipient: str, amount: Usdt, outlook: Outlook) -> Terms:
    """The terms of the transfer. Raises the problem that would make it fail."""
    offered = gas.offer(Fees(outlook.base_fee_wei, outlook.priority_fee_wei))
    means = rules.Means(
        balance=Usdt(min(outlook.balance_micro, MICRO_MAX)),
        gas_wei=outlook.gas_wei,
        sender_blocked=outlook.sender_blocked,
        recipient_blocked=outlook.recipient_blocked,
    )
    rules.check_means(amount, offered, means)
    return Terms(
        from_address=account.address,
        to_address=recipient,
        amount=amount,
        chain_id=account.chain_id,
        token_address=ethereum.checksummed(account.token_address),
        nonce=outlook.next_nonce,
        gas_limit=gas.GAS_LIMIT_TRANSFER,
        fee_per_gas_wei_max=offered.fee_per_gas_wei_max,
        priority_fee_per_gas_wei_max=offered.priority_fee_per_gas_wei_max,
        prepared_block=outlook.block_number,
    )


def _own(tx: Tx, member: Member, withdrawal_id: UUID) -> withdrawals.Withdrawal:
    """The member's own withdrawal, locked. Raises NotFound."""
    found = withdrawals.load(tx, withdrawal_id)
    if found is None or found.member_id != member.id:
        raise NotFound
    return found


def _keep_sent(tx: Tx, found: withdrawals.Withdrawal, transaction_hash: str, now: datetime) -> None:
    """Store the hash of the sent transaction. Raises WithdrawalUnderWay if this withdrawal was given up here and
    another one is open, and WithdrawalSigned if the transaction belongs to another withdrawal with the same terms.
    """
    if found.state is not State.PREPARED and (under_way := store.open_withdrawal(tx, found.from_address)):
        raise rules.WithdrawalUnderWay(withdrawal_id=str(under_way))
    try:
        withdrawals.keep_signature(tx, found, None, transaction_hash, now)
    except ConstraintViolated as refused:
        if refused.constraint == "withdrawals_one_open":
            raise rules.WithdrawalUnderWay from None
        if refused.constraint == "withdrawals_transaction_hash_key":
            raise rules.WithdrawalSigned from None
        raise


def _shown(found: withdrawals.Withdrawal) -> Withdrawal:
    return Withdrawal(
        id=found.id,
        status=found.state,
        amount=found.amount,
        from_address=found.from_address,
        to_address=found.to_address,
        network=NETWORK,
        nonce=found.nonce,
        prepared_at=found.prepared_at,
        expires_at=found.expires_at,
        status_at=found.state_at,
        transaction=_unsigned(found) if found.state is State.PREPARED else None,
        transaction_hash=found.shown_hash,
        explorer_url=transaction_page(found.shown_hash) if found.shown_hash else None,
        block_number=found.block_number,
    )


def _unsigned(found: withdrawals.Withdrawal) -> UnsignedTransaction:
    made = signing.unsigned(found)
    return UnsignedTransaction(
        type=EIP_1559,
        chain_id=made.chain_id,
        nonce=made.nonce,
        to=found.token_address,
        value=made.value_wei,
        data="0x" + made.data.hex(),
        gas_limit=made.gas_limit,
        max_fee_per_gas=made.fee_per_gas_wei_max,
        max_priority_fee_per_gas=made.priority_fee_per_gas_wei_max,
        access_list=[],
        serialised="0x" + made.serialised.hex(),
        signing_hash="0x" + made.signing_hash.hex(),
    )
