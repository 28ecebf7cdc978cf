"""Tokens with which a member opens their wallet at the wallet provider (docs/wallets.md).

The provider trusts our public keys: whoever has such a token has the member's wallet. So it is good for a minute, the
provider takes it once, it needs a sign-in of the last ten minutes, and each is recorded.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from functions.auth import rules, store, tokens
from shared.auth import AuthConfig, Claims, Member
from shared.config import Config, read
from shared.credentials import recent_sign_in
from shared.db import Tx
from shared.values.fields import Reply
from shared.web.quotas import Limit, Quota

LIFE = timedelta(seconds=60)  # the provider takes none that is older, whatever `exp` says
TOKEN_TYPE = "JWT"  # noqa: S105 - no access token of ours, whose type is another one (RFC 8725, section 3.11)


class WalletTokenConfig(Config):
    """The audience that the provider's custom connection asks for; no operation of ours takes it."""

    wallet_token_audience: str = "blakjaks-wallet"  # noqa: S105 - a name, no secret


class WalletGrant(Reply):
    """A token that is still to be signed."""

    token_id: UUID
    member_id: UUID
    key_id: str
    kms_version: str
    issued_at: datetime


class WalletToken(Reply):
    """The token for the wallet provider's SDK, good once and until `expires_at`."""

    token: str
    expires_at: datetime


def limit(claims: Claims) -> Limit:
    """Limits the tokens of a member."""
    of_member = Quota(f"wallet token of {claims.member_id}", rules.WALLET_TOKENS_PER_HOUR)
    return Limit([of_member], rules.TooManyWalletTokens)


def create_wallet_token(tx: Tx, member: Member, now: datetime) -> WalletGrant:
    """Issue a token for the member's wallet, and record it. Raises SignInAgain."""
    recent_sign_in.check(tx, member.session_id, now)
    key, token_id = store.signing_key(tx, now), uuid4()
    store.insert_wallet_token(tx, token_id, member.id, member.session_id, now)
    return WalletGrant(
        token_id=token_id, member_id=member.id, key_id=key.kid, kms_version=key.kms_version, issued_at=now
    )


def issue(grant: WalletGrant) -> WalletToken:
    """Sign the token. The same grant always gives the same one, because RS256 is deterministic. Raises KmsFailure."""
    issued_at = int(grant.issued_at.timestamp())
    claims = {
        "iss": read(AuthConfig).access_token_issuer,
        "aud": read(WalletTokenConfig).wallet_token_audience,
        "sub": str(grant.member_id),
        "jti": str(grant.token_id),
        "iat": issued_at,
        "exp": issued_at + int(LIFE.total_seconds()),
    }
    token = tokens.signed({"alg": "RS256", "typ": TOKEN_TYPE, "kid": grant.key_id}, claims, grant.kms_version)
    return WalletToken(token=token, expires_at=grant.issued_at.replace(microsecond=0) + LIFE)
