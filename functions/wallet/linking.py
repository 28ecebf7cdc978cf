"""Linking a wallet: it needs a fresh proof of identity, the member is notified, and comps go to a replacing wallet a
day later.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from functions.wallet import store
from functions.wallet.models import LinkedWallet, WalletAddress, WalletChallenge, WalletLink
from functions.wallet.proving import IdTokenRead
from functions.wallet.rules import (
    Challenge,
    WalletAddressNotValid,
    WalletChallengeNotValid,
    WalletLinkedElsewhere,
    WalletSignatureNotValid,
    WalletTokenUsed,
)
from shared.affiliates import payouts as affiliate_payouts
from shared.auth import Member
from shared.comps import awards, guarantee_claims, totals
from shared.comps.guarantee_claims import Mark
from shared.config import Config, read
from shared.credentials import fingerprints, recent_sign_in, totp
from shared.credentials.fingerprints import FingerprintKind
from shared.db import ConstraintViolated, Tx
from shared.members import security_notices
from shared.members.security_notices import Owner, SecurityChange
from shared.ports.polygon import ethereum
from shared.ports.wallet_provider import ProvedWallet
from shared.values import tiers
from shared.values.polygon import ZERO_ADDRESS
from shared.web import attacks


class LinkingConfig(Config):
    """The site that the signed message names."""

    site_domain: str = "blakjaks.com"


@dataclass(frozen=True)
class Proof:
    """The proof that a wallet is the member's: a signed challenge, or a token of the wallet provider."""

    address: str
    challenge_id: UUID | None = None
    id_token: ProvedWallet | None = None

    @property
    def method(self) -> str:
        """How `wallet_links` calls it."""
        return "id_token" if self.id_token else "eip191"

    @property
    def key(self) -> str:
        """A text that no other proof has."""
        return self.id_token.mark.hex() if self.id_token else str(self.challenge_id)


def challenge(tx: Tx, member: Member, body: WalletAddress, now: datetime) -> WalletChallenge:
    """Issue a message for the wallet to sign."""
    if not ethereum.checksum_fits(body.address) or body.address == ZERO_ADDRESS:
        raise WalletAddressNotValid
    if store.is_platform_address(tx, body.address):
        raise WalletAddressNotValid
    made = Challenge(
        domain=read(LinkingConfig).site_domain,
        address=ethereum.checksummed(body.address),
        member_id=tiers.member_id(member.number, member.tier),
        chain_id=store.chain_id(tx),
        nonce=secrets.token_hex(16),
        issued_at=now,
    )
    identity = uuid4()
    store.insert_challenge(
        tx,
        challenge_id=identity,
        member_id=member.id,
        address=made.address,
        message=made.message(),
        now=now,
        until=made.expires_at,
    )
    return WalletChallenge(challenge_id=identity, message=made.message(), expires_at=made.expires_at)


def link(tx: Tx, member: Member, body: WalletLink, read: IdTokenRead, now: datetime) -> LinkedWallet:
    """Link the wallet whose key signed the challenge, or that the wallet provider's token proves, and pay what waited
    for it: comps, and, to a first wallet, what an affiliate earned. A wallet that replaces another one rests for a day
    first.
    """
    proof = _proved(tx, read.wallet) if read.wallet else _answered(tx, member, body, now)
    before = store.owner(tx, member.id)
    recent_sign_in.check(tx, member.session_id, now)
    if before.wallet_address is not None and before.wallet_address.lower() != proof.address.lower():
        totp.spend_if_set_up(tx, member.id, body.code, now)
    guarantee_claims.observe(tx, member.id, _marks(tx, member.id, proof.address), now)
    totals.lock(tx, member.id)  # locked before the inbox and the member, as where comps are awarded
    _use(tx, member.id, proof, now)
    _tell(tx, member.id, before, proof, now)
    rests_until = _set_wallet(tx, member, proof, now)
    requested = 0 if rests_until else awards.pay_pending(tx, member.id, proof.address, now)
    if before.wallet_address is None and not rests_until:
        affiliate_payouts.pay_owed(tx, member.id, proof.address, now)
    return LinkedWallet(wallet_address=proof.address, comps_requested=requested, comps_rest_until=rests_until)


def _proved(tx: Tx, wallet: ProvedWallet) -> Proof:
    """The wallet of the provider's token. Raises WalletAddressNotValid."""
    if store.is_platform_address(tx, wallet.address):
        raise WalletAddressNotValid
    return Proof(wallet.address, id_token=wallet)


def _answered(tx: Tx, member: Member, body: WalletLink, now: datetime) -> Proof:
    """The challenge that the wallet has signed. Raises WalletChallengeNotValid, WalletSignatureNotValid."""
    assert body.challenge_id, "a body without an ID token has a challenge and its signature"
    assert body.signature
    asked = store.open_challenge(tx, body.challenge_id, member.id, now)
    if asked is None:
        raise WalletChallengeNotValid
    try:
        signer = ethereum.signer_of(asked.message, body.signature)
    except ethereum.SignatureMalformed:
        raise WalletSignatureNotValid from None
    if signer != asked.address:
        raise WalletSignatureNotValid
    return Proof(asked.address, challenge_id=asked.id)


def _use(tx: Tx, member_id: UUID, proof: Proof, now: datetime) -> None:
    """Use the proof, which links once. What was refused before has not used it. Raises WalletTokenUsed."""
    if proof.challenge_id:
        store.use_challenge(tx, proof.challenge_id, now)
    elif proof.id_token and not store.use_id_token(tx, proof.id_token.mark, member_id, proof.address, now):
        raise WalletTokenUsed


def _marks(tx: Tx, member_id: UUID, address: str) -> list[Mark]:
    """The marks of the wallet and of the devices on which the member has signed in."""
    devices = [
        Mark(FingerprintKind.DEVICE, fingerprints.of_device(device)) for device in store.device_ids(tx, member_id)
    ]
    return [Mark(FingerprintKind.WALLET, fingerprints.of_wallet(address)), *devices]


def _set_wallet(tx: Tx, member: Member, proof: Proof, now: datetime) -> datetime | None:
    """Set the wallet; returns until when comps rest. If two members link one wallet at the same time, the unique index
    admits one. Raises WalletLinkedElsewhere.
    """
    try:
        linked = store.set_wallet(tx, member.id, proof.address, proof.method, now)
    except ConstraintViolated as refused:
        if refused.constraint == "members_wallet":
            raise WalletLinkedElsewhere from None
        raise
    if linked is None:
        raise WalletLinkedElsewhere
    return linked.resting_at(now)


def _tell(tx: Tx, member_id: UUID, before: store.Owner, proof: Proof, now: datetime) -> None:
    """Send the member a security notice, because somebody else may have linked the wallet. Linking the same wallet
    again is not told.
    """
    if before.wallet_address and before.wallet_address.lower() == proof.address.lower():
        return
    change = SecurityChange.WALLET_LINKED
    if before.wallet_address:
        attacks.wallet_relinked()
        change = SecurityChange.WALLET_REPLACED
    owner, key = Owner(member_id, before.email, before.full_name), f"wallet-linked:{proof.key}"
    security_notices.tell(tx, change, owner, key, now, wallet_address=proof.address, at=now)
