"""The message that links a wallet, the problems of wallets and withdrawals, and the checks before a transfer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.values.encoding import moment
from shared.values.gas import GAS_LIMIT_TRANSFER, Price
from shared.values.money import MICRO_MAX, NotAnAmount, Usdt
from shared.values.polygon import WEI_DECIMALS, ZERO_ADDRESS
from shared.values.problems import Problem, TooManyRequests

CHALLENGE_LIFE = timedelta(minutes=10)
RETRY_AFTER_SECONDS = "5"
WITHDRAWALS_PER_HOUR = 20


class WalletAddressNotValid(Problem):
    """The checksum (EIP-55) is wrong, or the address is the zero address, the token's or a treasury's."""

    status, title = 422, "This is not an address of yours."


class WalletChallengeNotValid(Problem):
    """The challenge is unknown, another member's, used or expired."""

    status, title = 422, "This challenge cannot be answered; ask for a new one."


class WalletSignatureNotValid(Problem):
    """The signature is malformed, or made by another key."""

    status, title = 422, "The signature is not by this wallet's key."


class WalletTokenNotValid(Problem):
    """The ID token is not the wallet provider's, or not for BlakJaks and this member."""

    status, title = 422, "This is not a token of your wallet; connect the wallet again."


class WalletTokenTooOld(Problem):
    """The ID token was issued more than ten minutes ago, or has expired."""

    status, title = 422, "This token of your wallet is too old; connect the wallet again."


class WalletKeyMissing(Problem):
    """The ID token names no key on secp256k1 that the provider has made, or several: sign a challenge instead."""

    status, title = 422, "This token proves no wallet on Polygon; sign a challenge with the wallet instead."


class WalletTokenUsed(Problem):
    """A wallet was linked by this ID token before; each links once."""

    status, title = 409, "This token of your wallet was used before; connect the wallet again."


class WalletProviderUnavailable(Problem):
    """The wallet provider's keys cannot be fetched. Nothing was done; wait `Retry-After` seconds and send the request
    again, or sign a challenge.
    """

    status, title, passing = 409, "The wallet provider cannot be reached at this moment.", True


class WalletLinkedElsewhere(Problem):
    """The wallet is linked to another member; a wallet belongs to one member only."""

    status, title = 409, "This wallet is linked to another account."


@dataclass(frozen=True)
class Challenge:
    """The contents of the message that a wallet is asked to sign."""

    domain: str
    address: str
    member_id: str
    chain_id: int
    nonce: str
    issued_at: datetime

    @property
    def expires_at(self) -> datetime:
        """The moment at which the challenge expires."""
        return self.issued_at + CHALLENGE_LIFE

    def message(self) -> str:
        """The message in the form of ERC-4361 (Sign-In with Ethereum), readable in any wallet."""
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
    """The member has no linked wallet; `pending_comps` is the USDT that waits for one."""

    status, title = 409, "Link a wallet first."


class ChainUnavailable(Problem):
    """The nodes do not answer. Nothing was done; wait `Retry-After` seconds and send the request again."""

    status, title, passing = 409, "Polygon cannot be reached at this moment.", True

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": RETRY_AFTER_SECONDS})


class TooManyWithdrawals(TooManyRequests):
    """The member has prepared too many withdrawals; each asks the nodes for balances, fees and nonces."""

    title = "You have prepared very many withdrawals; wait a little."


class AmountNotPositive(Problem):
    """The amount is zero or negative."""

    status, title = 422, "The amount must be more than zero."


class AmountTooPrecise(Problem):
    """The amount has more than six decimals, which is the precision of USDT."""

    status, title = 422, "USDT has at most six decimals."


class AmountTooLarge(Problem):
    """The amount is more than any wallet can hold."""

    status, title = 422, "There are not as many USDT."


class RecipientChecksumWrong(Problem):
    """The capitals of the address are not those of EIP-55, which means a typo."""

    status, title = 422, "There is a typo in the recipient's address."


class RecipientIsNobody(Problem):
    """The recipient is the zero address; money sent there is lost."""

    status, title = 422, "Nobody has this address."


class RecipientIsToken(Problem):
    """The recipient is the token's own contract; money sent there is lost."""

    status, title = 422, "This is the address of USDT itself."


class RecipientIsPlatform(Problem):
    """The recipient is one of our treasuries, which could not tell whose money it got."""

    status, title = 422, "This is an address of BlakJaks."


class RecipientIsYourself(Problem):
    """The recipient is the wallet that sends."""

    status, title = 422, "The money is in this wallet already."


class RecipientBlocked(Problem):
    """The recipient is blocked: the transfer would fail, and cost its fee."""

    status, title = 422, "The issuer of USDT has blocked this recipient."


class WalletBlocked(Problem):
    """The sending wallet is blocked: the transfer would fail, and cost its fee."""

    status, title = 409, "The issuer of USDT has blocked your wallet."


class BalanceTooLow(Problem):
    """The wallet holds less than the amount; `balance` is what it holds."""

    status, title = 409, "Your wallet holds less than that."


class GasTooLow(Problem):
    """The wallet cannot pay the network's fee; `needed` and `balance` are in POL."""

    status, title = 409, "Your wallet has too little POL for the network's fee."


class UsdtNotAwaited(Problem):
    """No order of the member's with this id awaits USDT: it is paid in another way, it has ended, or everything has
    come.
    """

    status, title = 409, "This order awaits no USDT."


class WithdrawalUnderWay(Problem):
    """Another withdrawal of the wallet is open; `withdrawal_id` names it: sign it, cancel it, or wait for its end."""

    status, title = 409, "Another withdrawal from this wallet is under way."


class WithdrawalClosed(Problem):
    """The withdrawal was cancelled, or was not signed in time; prepare another one."""

    status, title = 409, "This withdrawal cannot be signed any more."


class WithdrawalSigned(Problem):
    """The withdrawal is signed already, which happens once and cannot be undone."""

    status, title = 409, "This withdrawal is signed already."


class WalletChanged(Problem):
    """The member has linked another wallet after the withdrawal was prepared."""

    status, title = 409, "This withdrawal is from a wallet that is not yours any more."


class TransactionNotSeen(Problem):
    """Not every node knows the transaction. Nothing was done; wait `Retry-After` seconds and send the request again."""

    status, title, passing = 409, "This transaction is not on Polygon yet.", True

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": RETRY_AFTER_SECONDS})


class SignedTransactionNotReadable(Problem):
    """The bytes are no signed transaction, or no node accepts the signature (EIP-2 requires s in the lower half)."""

    status, title = 422, "This is not a signed transaction."


class SignedForAnotherChain(Problem):
    """The transaction is signed for another chain and is not valid on ours."""

    status, title = 422, "This transaction is signed for another chain."


class SignedTransactionDiffers(Problem):
    """The signed transaction differs from the prepared one; `fields` names the differing fields."""

    status, title = 422, "What was signed is not what was prepared."


class SignedByAnotherKey(Problem):
    """The signature is valid, but by another wallet's key."""

    status, title = 422, "This transaction is not signed by your wallet."


@dataclass(frozen=True)
class Means:
    """The wallet's balances, and whether the sender or the recipient is blocked."""

    balance: Usdt
    gas_wei: int
    sender_blocked: bool
    recipient_blocked: bool


def amount(given: Decimal) -> Usdt:
    """The amount as USDT. Raises AmountNotPositive, AmountTooPrecise, AmountTooLarge."""
    if given <= 0:
        raise AmountNotPositive
    if given > Usdt(MICRO_MAX).decimal:
        raise AmountTooLarge
    try:
        return Usdt.of(given)
    except NotAnAmount:
        raise AmountTooPrecise from None


def check_recipient(recipient: str, wallet: str, token: str, *, is_treasury: bool) -> None:
    """Raises the problem of an unsuitable recipient, whose checksum is right."""
    address = recipient.lower()
    if address == ZERO_ADDRESS:
        raise RecipientIsNobody
    if address == token.lower():
        raise RecipientIsToken
    if address == wallet.lower():
        raise RecipientIsYourself
    if is_treasury:
        raise RecipientIsPlatform


def check_means(wanted: Usdt, offered: Price, means: Means) -> None:
    """Raises the problem that would make the transfer fail."""
    if means.sender_blocked:
        raise WalletBlocked
    if means.recipient_blocked:
        raise RecipientBlocked
    if wanted > means.balance:
        raise BalanceTooLow(balance=means.balance.decimal)
    needed = GAS_LIMIT_TRANSFER * offered.fee_per_gas_wei_max
    if needed > means.gas_wei:
        raise GasTooLow(needed=_pol(needed), balance=_pol(means.gas_wei))


def _pol(wei: int) -> Decimal:
    return Decimal(wei).scaleb(-WEI_DECIMALS).normalize()
