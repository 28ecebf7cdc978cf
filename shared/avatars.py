"""Where a member's picture lies: both sizes in the public bucket, under names that are never used again."""

from datetime import datetime
from uuid import UUID

from shared.config import Config, read

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}
# Plan section "CDN Updates": a day, and the old copy while a new one is fetched.
CACHE_CONTROL = "public, max-age=86400, stale-while-revalidate=86400, immutable"


class AvatarsConfig(Config):
    """The bucket, and the address at which everybody can read it."""

    avatars_bucket: str
    avatars_url: str


def object_name(member_id: UUID, uploaded_at: datetime, content_type: str) -> str:
    """Of the larger one: `avatars/{member}/{microseconds since 1970}.{ext}`; a member uploads one at a time."""
    moment = int(uploaded_at.timestamp() * 1_000_000)
    return f"avatars/{member_id}/{moment}.{EXTENSIONS[content_type]}"


def small_name(name: str) -> str:
    """Of the smaller one, beside it."""
    stem, dot, extension = name.rpartition(".")
    return f"{stem}-256{dot}{extension}"


def url(name: str) -> str:
    """Where everybody can see it."""
    return f"{read(AvatarsConfig).avatars_url}/{name}"
