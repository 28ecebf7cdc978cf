"""The links by which the recipient of a campaign ends all campaigns (RFC 8058), without signing in.

The link holds the member's id, and an HMAC by a key that it names, so that keys can be rotated. It does not expire:
mails are read years later.
"""

import base64
import hmac
import re
from uuid import UUID

from shared.config import Config, read

TOKEN = re.compile(r"([A-Za-z0-9]{1,8})\.([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")
PATH = "/v1/mails/unsubscribe/"


class UnsubscribeConfig(Config):
    """`unsubscribe_keys`: keys in hexadecimal with their names, `2:ab…,1:cd…`; the first one makes new links, and the
    others keep older ones good. `api_url` is the public address of the API.
    """

    unsubscribe_keys: str
    api_url: str = "https://api.blakjaks.com"

    def keys(self) -> dict[str, bytes]:
        """The keys by name, the present one first."""
        named = (part.strip().partition(":") for part in self.unsubscribe_keys.split(",") if part.strip())
        return {name: bytes.fromhex(key) for name, _, key in named}


def link(member_id: UUID) -> str:
    """The link in the mails of a member."""
    config = read(UnsubscribeConfig)
    name, key = next(iter(config.keys().items()))
    return f"{config.api_url}{PATH}{name}.{member_id.hex}.{_mac(key, name, member_id)}"


def member_of(token: str) -> UUID | None:
    """The member in whose link this token stands; None if we did not make it."""
    found = TOKEN.fullmatch(token)
    key = read(UnsubscribeConfig).keys().get(found[1]) if found else None
    if found is None or key is None:
        return None
    member_id = UUID(found[2])
    return member_id if hmac.compare_digest(_mac(key, found[1], member_id), found[3]) else None


def _mac(key: bytes, name: str, member_id: UUID) -> str:
    made = hmac.digest(key, f"unsubscribe:{name}:{member_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
