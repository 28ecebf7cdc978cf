"""Linking a wallet: it needs a fresh proof of identity, the member is notified, and comps go to a replacing wallet a
day later.
"""

import secrets
from datetime import datetime
from uuid import UUID, uuid4

from functions.wallet import store
from functions.wallet.models import LinkedWallet, WalletAddress, WalletChallenge, WalletLink
from functions.wallet.rules import (
    Challenge,
    WalletAddressNotValid,
    WalletChallengeNotValid,
    WalletLinkedElsewhere,
    WalletSignatureNotValid,
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
from shared.values import tiers
from shared.values.polygon import ZERO_ADDRESS
from shared.web import attacks


class LinkingConfig(Config):
    """The site that the signed message names."""

    site_domain: str = "blakjaks.com"


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


def link(tx: Tx, member: Member, body: WalletLink, now: datetime) -> LinkedWallet:
    """Link the wallet whose key signed the challenge, and pay what waited for it: comps, and, to a first wallet, what
    an affiliate earned. A wallet that replaces another one rests for a day first.
    """
    asked = _answered(tx, member, body, now)
    before = store.owner(tx, member.id)
    recent_sign_in.check(tx, member.session_id, now)
    if before.wallet_address is not None and before.wallet_address.lower() != asked.address.lower():
        totp.spend_if_set_up(tx, member.id, body.code, now)
    guarantee_claims.observe(tx, member.id, _marks(tx, member.id, asked.address), now)
    totals.lock(tx, member.id)  # locked before the inbox and the member, as where comps are awarded
    store.use_challenge(tx, asked.id, now)
    _tell(tx, member.id, before, asked, now)
    rests_until = _set_wallet(tx, member, asked.address, now)
    requested = 0 if rests_until else awards.pay_pending(tx, member.id, asked.address, now)
    if before.wallet_address is None and not rests_until:
        affiliate_payouts.pay_owed(tx, member.id, asked.address, now)
    return LinkedWallet(wallet_address=asked.address, comps_requested=requested, comps_rest_until=rests_until)


def _answered(tx: Tx, member: Member, body: WalletLink, now: datetime) -> store.OpenChallenge:
    """The challenge that the wallet has signed. Raises WalletChallengeNotValid, WalletSignatureNotValid."""
    asked = store.open_challenge(tx, body.challenge_id, member.id, now)
    if asked is None:
        raise WalletChallengeNotValid
    try:
        signer = ethereum.signer_of(asked.message, body.signature)
    except ethereum.SignatureMalformed:
        raise WalletSignatureNotValid from None
    if signer != asked.address:
        raise WalletSignatureNotValid
    return asked


def _marks(tx: Tx, member_id: UUID, address: str) -> list[Mark]:
    """The marks of the wallet and of the devices on which the member has signed in."""
    devices = [
        Mark(FingerprintKind.DEVICE, fingerprints.of_device(device)) for device in store.device_ids(tx, member_id)
    ]
    return [Mark(FingerprintKind.WALLET, fingerprints.of_wallet(address)), *devices]


def _set_wallet(tx: Tx, member: Member, address: str, now: datetime) -> datetime | None:
    """Set the wallet; returns until when comps rest. If two members link one wallet at the same time, the unique index
    admits one. Raises WalletLinkedElsewhere.
    """
    try:
        linked = store.set_wallet(tx, member.id, address, now)
    except ConstraintViolated as refused:
        if refused.constraint == "members_wallet":
            raise WalletLinkedElsewhere from None
        raise
    if linked is None:
        raise WalletLinkedElsewhere
    return linked.resting_at(now)


def _tell(tx: Tx, member_id: UUID, before: store.Owner, asked: store.OpenChallenge, now: datetime) -> None:
    """Send the member a security notice, because somebody else may have linked the wallet. Linking the same wallet
    again is not told.
    """
    if before.wallet_address and before.wallet_address.lower() == asked.address.lower():
        return
    change = SecurityChange.WALLET_LINKED
    if before.wallet_address:
        attacks.wallet_relinked()
        change = SecurityChange.WALLET_REPLACED
    owner, key = Owner(member_id, before.email, before.full_name), f"wallet-linked:{asked.id}"
    security_notices.tell(tx, change, owner, key, now, wallet_address=asked.address, at=now)
