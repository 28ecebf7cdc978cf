"""HTTP: the token with which a client listens to its Firestore documents (docs/product.md, "Realtime")."""

from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.realtime import store
from shared import auth
from shared.api import Api
from shared.auth import Claims, Member
from shared.config import Config, read
from shared.db import Tx
from shared.members import listeners
from shared.ports import identity
from shared.values import tiers
from shared.values.fields import Reply
from shared.values.tiers import Tier

TOKEN_LIFE = timedelta(minutes=5)  # time to exchange it, which the app does at once
BELIEVED_FOR = timedelta(hours=1)  # from the issue on, as `firestore.rules` check
AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"

api = Api("realtime")


def realtime(request: Request) -> Response:
    return api.handle(request)


class RealtimeConfig(Config):
    """The service account that Firebase trusts for custom tokens."""

    firebase_service_account: str


class Listener(Reply):
    """The listening member, as the database has them; `tier` holds until the quarter ends, then `tier_after`."""

    member_id: UUID
    tier: Tier
    issued_at: datetime
    tier_ends_at: datetime | None = None  # both are missing in answers kept from an earlier release; those have expired
    tier_after: Tier = Tier.STANDARD
    may_chat: bool = False


class RealtimeToken(Reply):
    """A token to exchange with `signInWithCustomToken` within `expires_in` seconds. Its listener is served for
    `listens_for` seconds and needs a new token before that.
    """

    firebase_token: str
    expires_in: int
    listens_for: int


def sign(listener: Listener) -> RealtimeToken:
    """Sign a Firebase custom token (firebase.google.com/docs/auth/admin/create-custom-tokens)."""
    account = read(RealtimeConfig).firebase_service_account
    issued_at = int(listener.issued_at.timestamp())
    life = int(TOKEN_LIFE.total_seconds())
    said = {
        "member_id": str(listener.member_id),
        "issued_ms": int(listener.issued_at.timestamp() * 1000),
        "tier": listener.tier.value,
        "tier_ends": int((listener.tier_ends_at or listener.issued_at).timestamp()),
        "tier_after": listener.tier_after.value,
        "may_chat": listener.may_chat,
    }
    claims = {
        "iss": account,
        "sub": account,
        "aud": AUDIENCE,
        "uid": str(listener.member_id),
        "iat": issued_at,
        "exp": issued_at + life,
        "claims": said,
    }
    token = identity.sign_jwt(account, claims)
    return RealtimeToken(firebase_token=token, expires_in=life, listens_for=int(BELIEVED_FOR.total_seconds()))


@api.post("/v1/realtime/token", after=sign)
def create_token(tx: Tx, member: Member, now: datetime) -> Listener:
    """Issue a token for a member with a live session."""
    issued_at = listeners.issue(tx, member.id, now)
    current = auth.member(tx, Claims(member.id, member.session_id), now)
    return Listener(
        member_id=current.id,
        tier=current.tier,
        tier_ends_at=tiers.quarter_ends_at(tiers.quarter_of(now)),
        tier_after=current.permanent_tier,
        may_chat=not store.is_banned(tx, member.id),
        issued_at=issued_at,
    )
