"""What is signed to link a wallet, which addresses are none of a member's, and what may be withdrawn to where."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.encoding import moment
from shared.money import MICRO_MAX, NotAnAmount, Usdt
from shared.problems import Problem, TooManyRequests

CHALLENGE_LIFE = timedelta(minutes=10)
ZERO_ADDRESS = "0x" + "0" * 40
GWEI = 10**9
WEI_DECIMALS = 18
GAS_LIMIT = 120_000  # a USDT0 transfer to a new holder takes about half
PRIORITY_FEE_WEI_MIN = 30 * GWEI  # Bor refuses less than 25, Polygon's documentation asks for 30
BASE_FEE_HEADROOM = 2  # the base fee may double before the offer is too low
RETRY_AFTER_SECONDS = "5"
WITHDRAWALS_PER_HOUR = 20


class WalletAddressNotValid(Problem):
    """The checksum (EIP-55) is wrong, or the address is the zero address, the token's or a treasury's."""

    status, title = 422, "This is not an address of yours."


class WalletChallengeNotValid(Problem):
    """Unknown, somebody else's, used or expired."""

    status, title = 422, "This challenge cannot be answered; ask for a new one."


class WalletSignatureNotValid(Problem):
    """Malformed, or made by another key."""

    status, title = 422, "The signature is not by this wallet's key."


class WalletLinkedElsewhere(Problem):
    """One wallet belongs to one member."""

    status, title = 409, "This wallet is linked to another account."


@dataclass(frozen=True)
class Challenge:
    """What a wallet is asked to sign."""

    domain: str
    address: str
    member_id: str
    chain_id: int
    nonce: str
    issued_at: datetime

    @property
    def expires_at(self) -> datetime:
        """A few minutes later."""
        return self.issued_at + CHALLENGE_LIFE

    def message(self) -> str:
        """Readable in any wallet (ERC-4361, Sign-In with Ethereum)."""
        return (
            f"{self.domain} wants you to sign in with your Ethereum account:\n"
            f"{self.address}\n\n"
            f"Link this wallet to BlakJaks member {self.member_id}. Comps will be paid to it.\n\n"
            f"URI: https://{self.domain}\n"
            "Version: 1\n"
            f"Chain ID: {self.chain_id}\n"
            f"Nonce: {self.nonce}\n"
            f"Issued At: {moment(self.issued_at)}\n"
            f"Expiration Time: {moment(self.expires_at)}"
        )


class WalletNotLinked(Problem):
    """`pending_comps` is the USDT that waits for it."""

    status, title = 409, "Link a wallet first."


class ChainUnavailable(Problem):
    """Nothing was done; wait `Retry-After` seconds and send the same again."""

    status, title, passing = 409, "Polygon cannot be reached at this moment.", True

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": RETRY_AFTER_SECONDS})


class TooManyWithdrawals(TooManyRequests):
    """Each that is prepared asks the nodes for balances, fees and nonces."""

    title = "You have prepared very many withdrawals; wait a little."


class AmountNotPositive(Problem):
    """Zero or less."""

    status, title = 422, "The amount must be more than zero."


class AmountTooPrecise(Problem):
    """More than six decimals: there is no smaller part of a USDT."""

    status, title = 422, "USDT has at most six decimals."


class AmountTooLarge(Problem):
    """More than any wallet can hold."""

    status, title = 422, "There are not as many USDT."


class RecipientChecksumWrong(Problem):
    """The capitals of the address are not those of EIP-55: a typo."""

    status, title = 422, "There is a typo in the recipient's address."


class RecipientIsNobody(Problem):
    """The zero address: what is sent there is lost."""

    status, title = 422, "Nobody has this address."


class RecipientIsToken(Problem):
    """The token's own contract: what is sent there is lost."""

    status, title = 422, "This is the address of USDT itself."


class RecipientIsPlatform(Problem):
    """One of our treasuries, which could not tell whose money came."""

    status, title = 422, "This is an address of BlakJaks."


class RecipientIsYourself(Problem):
    """The wallet that the money is in."""

    status, title = 422, "The money is in this wallet already."


class RecipientBlocked(Problem):
    """The transfer would fail, and cost its fee."""

    status, title = 422, "The issuer of USDT has blocked this recipient."


class WalletBlocked(Problem):
    """The transfer would fail, and cost its fee."""

    status, title = 409, "The issuer of USDT has blocked your wallet."


class BalanceTooLow(Problem):
    """`balance` is what the wallet holds."""

    status, title = 409, "Your wallet holds less than that."


class GasTooLow(Problem):
    """`needed` and `balance` are in POL. The network's fee is paid by the wallet that sends."""

    status, title = 409, "Your wallet has too little POL for the network's fee."


class WithdrawalUnderWay(Problem):
    """`withdrawal_id` names it: sign it, cancel it, or wait for its end."""

    status, title = 409, "Another withdrawal from this wallet is under way."


class WithdrawalClosed(Problem):
    """It was cancelled, or was not signed in time: prepare another one."""

    status, title = 409, "This withdrawal cannot be signed any more."


class WithdrawalSigned(Problem):
    """It is signed once; what is signed cannot be taken back."""

    status, title = 409, "This withdrawal is signed already."


class WalletChanged(Problem):
    """Another wallet was linked after it was prepared."""

    status, title = 409, "This withdrawal is from a wallet that is not yours any more."


class SignedTransactionNotReadable(Problem):
    """No signed transaction, or a signature that no node takes (EIP-2 wants s in the lower half)."""

    status, title = 422, "This is not a signed transaction."


class SignedForAnotherChain(Problem):
    """It could be sent on another chain, and is worth nothing on ours."""

    status, title = 422, "This transaction is signed for another chain."


class SignedTransactionDiffers(Problem):
    """`fields` names those that differ."""

    status, title = 422, "What was signed is not what was prepared."


class SignedByAnotherKey(Problem):
    """The signature is good, and of another wallet."""

    status, title = 422, "This transaction is not signed by your wallet."


@dataclass(frozen=True)
class Offer:
    """Wei per gas."""

    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int


@dataclass(frozen=True)
class Means:
    """What the wallet has and the chain says about the two ends of a transfer."""

    balance: Usdt
    gas_wei: int
    sender_blocked: bool
    recipient_blocked: bool


def amount(given: Decimal) -> Usdt:
    """Raises AmountNotPositive, AmountTooPrecise, AmountTooLarge."""
    if given <= 0:
        raise AmountNotPositive
    if given > Usdt(MICRO_MAX).decimal:
        raise AmountTooLarge
    try:
        return Usdt.of(given)
    except NotAnAmount:
        raise AmountTooPrecise from None


def check_recipient(recipient: str, wallet: str, token: str, *, is_treasury: bool) -> None:
    """Raises what is wrong with a recipient of good checksum."""
    address = recipient.lower()
    if address == ZERO_ADDRESS:
        raise RecipientIsNobody
    if address == token.lower():
        raise RecipientIsToken
    if address == wallet.lower():
        raise RecipientIsYourself
    if is_treasury:
        raise RecipientIsPlatform


def check_means(wanted: Usdt, offered: Offer, means: Means) -> None:
    """Raises what would make the transfer fail."""
    if means.sender_blocked:
        raise WalletBlocked
    if means.recipient_blocked:
        raise RecipientBlocked
    if wanted > means.balance:
        raise BalanceTooLow(balance=means.balance.decimal)
    needed = GAS_LIMIT * offered.fee_per_gas_wei_max
    if needed > means.gas_wei:
        raise GasTooLow(needed=_pol(needed), balance=_pol(means.gas_wei))


def offer(base_wei: int, suggested_priority_wei: int) -> Offer:
    """What the transfer offers for gas; what is not needed of the fee is not paid."""
    priority = max(suggested_priority_wei, PRIORITY_FEE_WEI_MIN)
    return Offer(BASE_FEE_HEADROOM * base_wei + priority, priority)


def _pol(wei: int) -> Decimal:
    return Decimal(wei).scaleb(-WEI_DECIMALS).normalize()
