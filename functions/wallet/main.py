"""HTTP: prove that a wallet is the member's own, and link it (plan section "Wallet Creation", rulings section 4)."""

import secrets
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from flask import Request, Response
from pydantic import StringConstraints

from functions.wallet import store
from functions.wallet.rules import (
    ZERO_ADDRESS,
    Challenge,
    WalletAddressNotValid,
    WalletChallengeNotValid,
    WalletLinkedElsewhere,
    WalletSignatureNotValid,
)
from shared import comps, tiers
from shared.api import Api
from shared.auth import Member
from shared.config import Config, read
from shared.db import Refused, Tx
from shared.fields import Body, EvmAddress, Reply
from shared.ports import ethereum

api = Api("wallet")


def wallet(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class WalletConfig(Config):
    """The site that members believe they sign for."""

    site_domain: str = "blakjaks.com"


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


@api.post("/v1/wallet/challenge", status=201, problems=(WalletAddressNotValid,))
def challenge(tx: Tx, member: Member, body: WalletAddress, now: datetime) -> WalletChallenge:
    """Ask for a message to sign."""
    if not ethereum.checksum_fits(body.address) or body.address == ZERO_ADDRESS:
        raise WalletAddressNotValid
    if store.is_platform_address(tx, body.address):
        raise WalletAddressNotValid
    made = Challenge(
        domain=read(WalletConfig).site_domain,
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


@api.post("/v1/wallet/link", problems=(WalletChallengeNotValid, WalletSignatureNotValid, WalletLinkedElsewhere))
def link(tx: Tx, member: Member, body: WalletLink, now: datetime) -> LinkedWallet:
    """Link the wallet whose key signed the challenge, and pay what waited for it."""
    asked = store.open_challenge(tx, body.challenge_id, member.id, now)
    if asked is None:
        raise WalletChallengeNotValid
    try:
        signer = ethereum.signer_of(asked.message, body.signature)
    except ethereum.SignatureNotValid:
        raise WalletSignatureNotValid from None
    if signer != asked.address:
        raise WalletSignatureNotValid
    store.use_challenge(tx, asked.id, now)
    if not _set_wallet(tx, member, asked.address, now):
        raise WalletLinkedElsewhere
    return LinkedWallet(
        wallet_address=asked.address, comps_requested=comps.pay_pending(tx, member.id, asked.address, now)
    )


def _set_wallet(tx: Tx, member: Member, address: str, now: datetime) -> bool:
    """Of two members who link one wallet at the same moment, the unique index lets one in."""
    try:
        return store.set_wallet(tx, member.id, address, now)
    except Refused as refused:
        if refused.constraint == "members_wallet":
            return False
        raise
