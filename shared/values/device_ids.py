"""The ids that apps give their devices and the push tokens of Apple, each in one spelling.

Both come in capitals or small letters, depending on what printed them. Without this, one phone could count as two.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

ID_LENGTH_MAX = 255
DEVICES_MAX = 10  # of a member: the newest are kept, and told
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def kept(device_id: str | None) -> str | None:
    """The first 255 characters of the id; None for an empty one, which identifies nothing.

    A UUID is stored in small letters. Ids of other forms are not changed, because capitals may matter in them.
    """
    known = (device_id or "")[:ID_LENGTH_MAX]
    return (known.lower() if UUID_FORM.fullmatch(known) else known) or None


def canonical_token(platform: str, token: str) -> str:
    """The token as it is stored: Apple's hexadecimal tokens in small letters, Google's unchanged."""
    return token.lower() if platform == "ios" else token


DeviceId = Annotated[str | None, AfterValidator(kept)]
