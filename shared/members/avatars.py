"""Where members' pictures are stored: both sizes in the public bucket, under names that are never used again."""

from datetime import datetime
from uuid import UUID

from shared.config import Config, read

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}
# Cached for a day; the old copy is served while a new one is fetched (docs/product.md, "Profile and pictures").
CACHE_CONTROL = "public, max-age=86400, stale-while-revalidate=86400, immutable"


class AvatarsConfig(Config):
    """The bucket, and the base URL under which everybody can read it."""

    avatars_bucket: str
    avatars_url: str


def object_name(member_id: UUID, uploaded_at: datetime, content_type: str) -> str:
    """The larger picture's name: `avatars/{member}/{microseconds since 1970}.{ext}`; a member uploads one at a time."""
    moment = int(uploaded_at.timestamp() * 1_000_000)
    return f"avatars/{member_id}/{moment}.{EXTENSIONS[content_type]}"


def small_name(name: str) -> str:
    """The name of the smaller picture, beside the larger one."""
    stem, dot, extension = name.rpartition(".")
    return f"{stem}-256{dot}{extension}"


def url(name: str) -> str:
    """The public URL of a picture."""
    return f"{read(AvatarsConfig).avatars_url}/{name}"
