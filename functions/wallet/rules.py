"""What is signed to link a wallet, and which addresses are none of a member's."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.encoding import moment
from shared.problems import Problem

CHALLENGE_LIFE = timedelta(minutes=10)
ZERO_ADDRESS = "0x" + "0" * 40


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
