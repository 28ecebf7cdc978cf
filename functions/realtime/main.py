"""HTTP: the token with which a client listens to its Firestore documents (rulings section 1)."""

from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from shared.api import Api
from shared.auth import Member
from shared.config import Config, read
from shared.db import Tx
from shared.fields import Reply
from shared.ports import identity
from shared.tiers import Tier

TOKEN_LIFE = timedelta(hours=1)  # the longest that Firebase takes
AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"

api = Api("realtime")


def realtime(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class RealtimeConfig(Config):
    """The service account that Firebase trusts for custom tokens."""

    firebase_service_account: str


class Listener(Reply):
    """Who may listen, decided by the database."""

    member_id: UUID
    tier: Tier
    issued_at: datetime


class RealtimeToken(Reply):
    """Exchange it with `signInWithCustomToken`; lives are in seconds."""

    firebase_token: str
    expires_in: int


def sign(listener: Listener) -> RealtimeToken:
    """A Firebase custom token (firebase.google.com/docs/auth/admin/create-custom-tokens)."""
    account = read(RealtimeConfig).firebase_service_account
    issued_at = int(listener.issued_at.timestamp())
    life = int(TOKEN_LIFE.total_seconds())
    claims = {
        "iss": account,
        "sub": account,
        "aud": AUDIENCE,
        "uid": str(listener.member_id),
        "iat": issued_at,
        "exp": issued_at + life,
        "claims": {"member_id": str(listener.member_id), "tier": listener.tier.value},
    }
    return RealtimeToken(firebase_token=identity.sign_jwt(account, claims), expires_in=life)


@api.post("/v1/realtime/token", after=sign)
def create_token(tx: Tx, member: Member, now: datetime) -> Listener:
    """For a member with a live session."""
    return Listener(member_id=member.id, tier=member.tier, issued_at=now)
