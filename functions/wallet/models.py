"""Requests and replies about wallets, withdrawals and history."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, InstanceOf, StringConstraints, WithJsonSchema, model_validator

from shared.values import typed
from shared.values.fields import Body, EvmAddress, Money, Page, Reply, Shape, SixDigits
from shared.withdrawals import State

NETWORK = "polygon"


def _number(value: object) -> object:
    """The Decimal of a JSON number; a float becomes its shortest digits. Raises ValueError for all else, bool too."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports ValueErrors
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


Signature = Annotated[str, Shape(r"^0x[0-9a-fA-F]{130}$", "a signature: 0x and 130 hexadecimal digits")]
IdToken = Annotated[
    str,
    Shape(
        r"^[A-Za-z0-9_-]{1,1000}\.[A-Za-z0-9_-]{1,6000}\.[A-Za-z0-9_-]{0,1000}$",
        "a JSON Web Token: three parts in base64url with dots between them",
    ),
]
Number = Annotated[InstanceOf[Decimal], BeforeValidator(_number), WithJsonSchema({"type": "number"})]


class WalletAddress(Body):
    """The address of the wallet to link."""

    address: EvmAddress


class WalletChallenge(Reply):
    """A challenge: sign `message` with personal_sign (EIP-191) before `expires_at`."""

    challenge_id: UUID
    message: str
    expires_at: datetime


class WalletLink(Body):
    """The proof that the wallet is the member's: `challenge_id` and `signature`, or the `id_token` of the wallet
    provider. Replacing a linked wallet needs a `code` of the authenticator app from members who have one.
    """

    challenge_id: UUID | None = None
    signature: Signature | None = None
    id_token: IdToken | None = None
    code: SixDigits | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        is_signed = self.challenge_id is not None and self.signature is not None
        is_half = (self.challenge_id is None) != (self.signature is None)
        if is_half or is_signed == (self.id_token is not None):
            raise ValueError("must have challenge_id and signature, or id_token instead")
        return self


class LinkedWallet(Reply):
    """The linked wallet, and how many comps had waited for it and are being paid now. A wallet that replaced another
    one gets no comps before `comps_rest_until`.
    """

    wallet_address: str
    comps_requested: int
    comps_rest_until: datetime | None


class WalletView(Reply):
    """The wallet and its balance at `block_number`. If Polygon cannot be reached, `is_current` is false, and balance
    and block are those of `as_of`, or null if it was never read. `pending_comps` are won and not paid yet; before
    `comps_rest_until` none is paid, because the wallet has replaced another one.
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
    comps_rest_until: datetime | None
    explorer_url: str


class WithdrawalOrder(Body):
    """A withdrawal of USDT from the linked wallet to any address, with a `code` of the authenticator app from members
    who have one.
    """

    to_address: EvmAddress
    amount: Number
    code: SixDigits | None = None


class OrderTransfer(Body):
    """The order that is to be paid in USDT, with a `code` of the authenticator app from members who have one."""

    order_id: UUID
    code: SixDigits | None = None


class UnsignedTransaction(Reply):
    """An EIP-1559 transaction for the wallet to sign unchanged. `serialised` has all of it as bytes, `signing_hash` is
    their Keccak-256; fees are in wei per gas, `value` in wei.
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
    """A withdrawal; `transaction` is set while it waits for its signature, until `expires_at`."""

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
    """The signed transaction, in the form that eth_sendRawTransaction takes."""

    signed_transaction: Annotated[  # a transfer has 180 bytes
        str, Shape(r"^0x([0-9a-fA-F]{2}){1,2047}$", "a signed transaction: 0x and at most 2,047 bytes in hexadecimal")
    ]


class SentWithdrawal(Body):
    """The hash of the transaction that the wallet has signed and sent by itself."""

    transaction_hash: Annotated[
        str, StringConstraints(max_length=typed.PASTED_MAX), AfterValidator(typed.transaction_hash)
    ]


class HistoryPage(Page):
    """A page of the history: `deposits` are comps and other incoming money, `withdrawals` is all outgoing money."""

    filter: Literal["all", "deposits", "withdrawals"] = "all"


class WalletTransaction(Reply):
    """A movement of USDT into or out of the wallet. A `failed` one has moved nothing."""

    id: UUID
    type: Literal["comp_deposit", "affiliate_deposit", "withdrawal", "oobit_spend", "external_deposit"]
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
