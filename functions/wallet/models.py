"""What members send and see of their wallets, withdrawals and history."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, InstanceOf, StringConstraints, WithJsonSchema

from shared.fields import Body, EvmAddress, Money, Page, Reply
from shared.withdrawals import State

NETWORK = "polygon"


def _number(value: object) -> object:
    """Any JSON number, exactly as its digits say."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports ValueErrors
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


Number = Annotated[InstanceOf[Decimal], BeforeValidator(_number), WithJsonSchema({"type": "number"})]


class WalletAddress(Body):
    """The address to be linked."""

    address: EvmAddress


class WalletChallenge(Reply):
    """`message` is to be signed with personal_sign (EIP-191) before `expires_at`."""

    challenge_id: UUID
    message: str
    expires_at: datetime


class WalletLink(Body):
    """The answered challenge."""

    challenge_id: UUID
    signature: Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{130}$")]


class LinkedWallet(Reply):
    """The wallet, and how many comps had waited for it and are on their way now."""

    wallet_address: str
    comps_requested: int


class WalletView(Reply):
    """What the wallet holds at `block_number`. When Polygon cannot be reached `is_current` is false, and balance and
    block are those of `as_of`, or null when it was never read. `pending_comps` is won and not paid yet.
    """

    address: str
    network: str
    chain_id: int
    token_address: str
    balance: Money | None
    block_number: int | None
    as_of: datetime | None
    is_current: bool
    pending_comps: Money
    explorer_url: str


class WithdrawalOrder(Body):
    """USDT from the linked wallet to any address."""

    to_address: EvmAddress
    amount: Number


class UnsignedTransaction(Reply):
    """An EIP-1559 transaction to be signed by the wallet as it stands. `serialised` is all of it as bytes,
    `signing_hash` their Keccak-256; fees are in wei per gas, `value` in wei.
    """

    type: int
    chain_id: int
    nonce: int
    to: str
    value: int
    data: str
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    access_list: list[str]
    serialised: str
    signing_hash: str


class Withdrawal(Reply):
    """A withdrawal; `transaction` is there while it waits for its signature, until `expires_at`."""

    id: UUID
    status: State
    amount: Money
    from_address: str
    to_address: str
    network: str
    nonce: int
    prepared_at: datetime
    expires_at: datetime
    status_at: datetime
    transaction: UnsignedTransaction | None
    transaction_hash: str | None
    explorer_url: str | None
    block_number: int | None


class SignedWithdrawal(Body):
    """The signed transaction, as eth_sendRawTransaction takes it."""

    signed_transaction: Annotated[str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2}){1,2047}$")]  # a transfer has 180


class HistoryPage(Page):
    """`deposits` are comps and what else came in, `withdrawals` whatever went out."""

    filter: Literal["all", "deposits", "withdrawals"] = "all"


class WalletTransaction(Reply):
    """A movement of USDT in or out of the wallet. `failed` moved nothing."""

    id: UUID
    type: Literal["comp_deposit", "withdrawal", "oobit_spend", "external_deposit"]
    direction: Literal["in", "out"]
    amount: Money
    status: Literal["pending", "confirmed", "failed"]
    network: str
    from_address: str | None
    to_address: str | None
    transaction_hash: str | None
    explorer_url: str | None
    block_number: int | None
    created_at: datetime
    confirmed_at: datetime | None
    comp_id: UUID | None
    withdrawal_id: UUID | None
